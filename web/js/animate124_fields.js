// A scene that Save field has written is offered by every Load field at once; the host's pages read the list only when
// they are opened, and take a name that is not in it for a missing model.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { chain, kindOf } from "./animate124_node.js";

const SAVE = "A124SaveField", LOAD = "A124LoadField", INPUT = "file";
let names = null; // the list since the page was opened; null: as it was then

function offer(node) {
  const widget = node.widgets?.find((w) => w.name === INPUT);
  if (!widget || !names) return;
  const found = names.includes(widget.value) && !widget.options.values.includes?.(widget.value);
  widget.options.values = names;
  if (found) node.onWidgetChanged?.(INPUT, widget.value, widget.value, widget); // it is no missing model any more
}

function eachNode(graph, visit) {
  for (const node of graph?.nodes ?? graph?._nodes ?? []) {
    visit(node);
    if (node.subgraph) eachNode(node.subgraph, visit);
  }
}

async function refresh() {
  const answer = await api.fetchApi(`/object_info/${LOAD}`);
  const input = (await answer.json())[LOAD]?.input?.required?.[INPUT];
  const listed = Array.isArray(input?.[0]) ? input[0] : input?.[1]?.options;
  if (!listed) return;
  names = listed;
  eachNode(app.rootGraph ?? app.graph, (node) => kindOf(node) === LOAD && offer(node));
}

app.registerExtension({
  name: "animate124.fields",
  nodeCreated(node) {
    if (kindOf(node) === LOAD) offer(node);
    if (kindOf(node) === SAVE) chain(node, "onExecuted", () => refresh());
  },
});
