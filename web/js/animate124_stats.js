// Losses under an optimizer while it works, beside the host's own preview of the scene. Without events nothing is added.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { fresh } from "./animate124_fresh.js";

const EVENT = "animate124.stats";
const NODES = ["A124StaticOptimizer", "A124CoarseOptimizer", "A124FineOptimizer"];
const HEIGHT = 74; // pixels

/** The node of an execution id; "12:3" is node 3 in the subgraph of node 12. */
function nodeOf(id) {
  let graph = app.graph, node = null;
  for (const part of String(id).split(":")) {
    node = graph?.getNodeById?.(Number(part)) ?? null;
    graph = node?.subgraph;
  }
  return node && NODES.includes(node.comfyClass ?? node.type) ? node : null;
}

function sparklineOf(node, Sparkline) {
  if (node.a124Sparkline) return node.a124Sparkline;
  const line = new Sparkline();
  const widget = node.addDOMWidget("losses", "A124_LOSSES", line.element, {
    serialize: false, hideOnZoom: false, getMinHeight: () => HEIGHT, getMaxHeight: () => HEIGHT,
    getValue: () => "", setValue: () => {},
  });
  widget.serialize = false;
  node.setSize([node.size[0], Math.max(node.size[1], node.computeSize()[1])]);
  const removed = node.onRemoved;
  node.onRemoved = function (...args) {
    line.dispose();
    return removed?.apply(this, args);
  };
  return (node.a124Sparkline = line);
}

app.registerExtension({
  name: "animate124.stats",
  async setup() {
    const { Sparkline } = await fresh("sparkline.mjs");
    api.addEventListener(EVENT, ({ detail }) => {
      const node = detail && nodeOf(detail.node);
      if (node) sparklineOf(node, Sparkline).add(detail);
    });
  },
});
