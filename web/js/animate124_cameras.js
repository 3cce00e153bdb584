// A Cameras node shows the widgets that its kind uses. The others keep their values, in saved workflows too.

import { app } from "../../../scripts/app.js";
import { chain, kindOf } from "./animate124_node.js";

const NODE = "A124Cameras";
const POSE = ["elevation", "azimuth", "radius", "fovy"];
const USED = { // beside kind and eye_distance, which every kind has
  orbit: [...POSE, "turns"],
  turntable: [...POSE, "turns", "moment"],
  reference: ["radius", "fovy"], // with camera_info
  spline: ["radius", "fovy", "keyframes"],
  camera_info: [],
  file: ["file"],
};
const CLOSED = () => [0, -4]; // a widget's size with its margin: frontends before 1.45 leave a gap for a hidden one
const EVERY = new Set(Object.values(USED).flat());

/** Hide a widget, or show it again in the size that it had. */
function setHidden(widget, hidden) {
  if (hidden === Boolean(widget.hidden)) return false;
  widget.hidden = hidden;
  if (widget.options) widget.options.hidden = hidden; // of Vue nodes
  if (hidden) widget.computeSize = CLOSED;
  else delete widget.computeSize;
  return true;
}

/** Is a value wired into a widget? Then it stays, so that the wire ends somewhere. */
function isWired(node, name) {
  return (node.inputs ?? []).some((input) => input.widget?.name === name && input.link != null);
}

/** Show what the kind uses; true if that changed anything. An unknown kind, or one that comes by a wire, may use all. */
function show(node) {
  const kind = node.widgets?.find((widget) => widget.name === "kind");
  const used = isWired(node, "kind") ? null : USED[kind?.value];
  let changed = false;
  for (const widget of node.widgets ?? []) {
    if (!EVERY.has(widget.name)) continue;
    const hidden = Boolean(used && !used.includes(widget.name) && !isWired(node, widget.name));
    changed = setHidden(widget, hidden) || changed;
  }
  return changed;
}

function fit(node) {
  if (show(node)) node.setSize([node.size[0], node.computeSize()[1]]);
  node.graph?.setDirtyCanvas?.(true, true);
}

app.registerExtension({
  name: "animate124.cameras",
  nodeCreated(node) {
    if (kindOf(node) !== NODE) return;
    const kind = node.widgets?.find((widget) => widget.name === "kind");
    if (!kind) return;
    chain(kind, "callback", () => fit(node));
    chain(node, "onConfigure", () => show(node)); // a saved node keeps its size
    chain(node, "onConnectionsChange", () => fit(node));
    fit(node);
  },
});
