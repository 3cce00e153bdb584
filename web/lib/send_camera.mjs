// The viewer's camera to the widgets of an A124Cameras node.

import { wrap } from "./camera.mjs";

const NODE = "A124Cameras";

/** Every node of a graph, those inside subgraphs too. */
function* nodesOf(graph) {
  for (const node of graph?.nodes ?? graph?._nodes ?? []) {
    yield node;
    if (node.subgraph) yield* nodesOf(node.subgraph);
  }
}

/** A standing camera, from which the scene plays: an orbit of no turns. -> what was done, in one sentence. */
export function sendCamera(app, camera) {
  const found = [...nodesOf(app.graph)].filter((node) => (node.comfyClass ?? node.type) === NODE);
  const node = found.find((n) => n.selected || app.canvas?.selected_nodes?.[n.id] === n) ?? found[0];
  if (!node) return "There is no Cameras node in this workflow: add one and connect it to Render.";
  const values = {
    kind: "orbit", turns: 0, azimuth: wrap(camera.azimuth), elevation: camera.elevation,
    radius: camera.radius, fovy: camera.fovy,
  };
  for (const [name, value] of Object.entries(values)) {
    const widget = node.widgets?.find((w) => w.name === name);
    if (!widget) continue;
    widget.value = typeof value === "number" ? within(value, widget.options) : value;
    widget.callback?.(widget.value);
  }
  node.graph?.setDirtyCanvas?.(true, true);
  const moved = camera.target.some((v) => Math.abs(v) > 0.01);
  const several = found.length > 1 ? " (select another one to send it there)" : "";
  return `Sent to ${node.title}${several}.${moved ? " Its cameras look at the centre: the shift was left out." : ""}`;
}

/** In the widget's range, to a hundredth. */
function within(value, { min = -Infinity, max = Infinity } = {}) {
  return Math.round(100 * Math.min(max, Math.max(min, value))) / 100;
}
