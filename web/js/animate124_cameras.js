// A Cameras node shows the widgets that its kind uses. The others keep their values, in saved workflows too.

import { app } from "../../../scripts/app.js";

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
const NEWEST_WITHOUT = [1, 44]; // frontends up to here leave gaps for hidden widgets (seen in 1.27; 1.45 does not)
const EVERY = new Set(Object.values(USED).flat());

function closesGaps() {
  const [major = 0, minor = 0] = (window.__COMFYUI_FRONTEND_VERSION__ ?? "").split(".").map(Number);
  return major > NEWEST_WITHOUT[0] || (major === NEWEST_WITHOUT[0] && minor > NEWEST_WITHOUT[1]);
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
    changed ||= hidden !== Boolean(widget.hidden);
    widget.hidden = hidden;
    if (widget.options) widget.options.hidden = hidden; // of Vue nodes
  }
  return changed;
}

function fit(node) {
  if (show(node)) node.setSize([node.size[0], node.computeSize()[1]]);
  node.graph?.setDirtyCanvas?.(true, true);
}

function chain(object, name, more) {
  const before = object[name];
  object[name] = function (...args) {
    const result = before?.apply(this, args);
    more();
    return result;
  };
}

app.registerExtension({
  name: "animate124.cameras",
  nodeCreated(node) {
    if ((node.comfyClass ?? node.constructor?.comfyClass) !== NODE) return;
    const kind = node.widgets?.find((widget) => widget.name === "kind");
    if (!kind || !closesGaps()) return;
    chain(kind, "callback", () => fit(node));
    chain(node, "onConfigure", () => show(node)); // a saved node keeps its size
    chain(node, "onConnectionsChange", () => fit(node));
    fit(node);
  },
});
