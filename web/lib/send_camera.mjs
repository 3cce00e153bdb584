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

/** A standing camera, from which the scene plays: an orbit of no turns. aspect is the viewer's width over its height.
 * -> what was done, and what could not be. */
export function sendCamera(app, camera, aspect = 1) {
  const found = [...nodesOf(app.graph)].filter((node) => (node.comfyClass ?? node.type) === NODE);
  const node = found.find((n) => n.selected || app.canvas?.selected_nodes?.[n.id] === n) ?? found[0];
  if (!node) return "There is no Cameras node in this workflow: add one and connect it to Render.";
  const values = {
    kind: "orbit", turns: 0, azimuth: wrap(camera.azimuth), elevation: camera.elevation,
    radius: camera.radius, fovy: camera.fovy,
  };
  const several = found.length > 1 ? " (select another one to send it there)" : "";
  const said = [`Sent to ${node.title}${several}.`];
  const wired = Object.keys(values).filter((name) => isWired(node, name));
  if (wired.length) said.push(`By wire, and left as they are: ${wired.join(", ")}.`);
  for (const [name, value] of Object.entries(values)) {
    const widget = node.widgets?.find((w) => w.name === name);
    if (!widget || wired.includes(name)) continue;
    widget.value = typeof value === "number" ? within(value, widget.options) : value;
    widget.callback?.(widget.value);
    if (typeof value === "number" && Math.abs(widget.value - value) > 0.01) {
      said.push(`Its ${name} goes to ${widget.value} only, here it is ${Math.round(100 * value) / 100}.`);
    }
  }
  node.graph?.setDirtyCanvas?.(true, true);
  if (isWired(node, "camera_info")) said.push("Its camera_info is connected and takes the place of elevation and azimuth.");
  if (camera.target.some((v) => Math.abs(v) > 0.01)) said.push("Its cameras look at the centre: the shift was left out.");
  if (aspect < 0.99) said.push("This upright picture shows more above and below than a square one will.");
  return said.join(" ");
}

/** Does an input, also one that a widget was turned into, get its value from another node? */
function isWired(node, name) {
  return (node.inputs ?? []).some((i) => (i.widget?.name ?? i.name) === name && i.link != null);
}

/** In the widget's range, to a hundredth. */
function within(value, { min = -Infinity, max = Infinity } = {}) {
  return Math.round(100 * Math.min(max, Math.max(min, value))) / 100;
}
