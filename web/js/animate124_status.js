// What a node said last, its losses and its last preview, under its widgets: while it works, afterwards, after a reload.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { fresh } from "./animate124_fresh.js";
import { chain, kindOf, nodeOf, noteChange } from "./animate124_node.js";

const KEY = "a124_status"; // the property that brings it back after a reload: { text, picture, curves }
const STOPPED = { execution_interrupted: "Cancelled.", execution_error: "Stopped by an error." };
const loading = fresh("status.mjs");

const changed = new Set(); // nodes of this execution

/** The panel of a node, made when there is something to show. */
async function statusOf(node) {
  const { Status } = await loading;
  return (node.a124Status ??= added(node, new Status()));
}

function added(node, status) {
  const height = () => status.height;
  const widget = node.addDOMWidget("status", "A124_STATUS", status.element, {
    serialize: false, hideOnZoom: false, getMinHeight: height, getMaxHeight: height, getValue: () => "", setValue: () => {},
  });
  widget.serialize = false;
  chain(node, "onRemoved", () => status.dispose());
  return status;
}

/** Show something on a node, and make room for it. */
async function show(node, change) {
  const status = await statusOf(node);
  change(status);
  const [width, height] = node.size, needed = node.computeSize()[1];
  if (needed > height) node.setSize([width, needed]);
  app.canvas?.setDirty(true, true);
}

async function say(node, text, picture) {
  await show(node, (status) => status.say(text));
  changed.add(node);
  if (picture) node.a124Status.picture = picture;
}

/** Show the output of a node that ran, or, if it has said nothing in this execution, that the host had in its cache. */
async function showOutput(node, output) {
  const text = output?.text?.[0], picture = output?.a124_picture?.[0];
  if (typeof text !== "string") return;
  node.a124Running = false;
  if (changed.has(node) || node.a124Status?.text === text) return say(node, text, picture);
  await show(node, (status) => status.restore({ text, picture }));
  changed.add(node);
}

/** Show what cached nodes said when they ran, those told of already left out: older hosts send it of output nodes alone,
 *  and have it in the history. */
async function recall(promptId, told) {
  for (let tries = 0; promptId && tries < 5; tries++) {
    const entry = (await (await api.fetchApi(`/history/${promptId}`)).json())[promptId];
    for (const [id, output] of Object.entries(entry?.outputs ?? {})) {
      const node = nodeOf(id);
      if (node && !told.has(node) && !changed.has(node)) await showOutput(node, output);
    }
    if (entry) return;
    await new Promise((resolve) => setTimeout(resolve, 300)); // the event comes before the entry is written
  }
}

/** Keep in the workflow what a node shows. Is it news? */
function keepNode(node) {
  const kept = node.a124Status?.kept();
  if (!kept || JSON.stringify(kept) === JSON.stringify(node.properties[KEY])) return false;
  node.properties[KEY] = kept;
  return true;
}

/** At once where a node is done: a page that is reloaded while later nodes work must not tell of an earlier run. */
function keepDone(node) {
  if (!node.a124Running && keepNode(node)) noteChange();
}

function keepChanged() {
  if ([...changed].filter(keepNode).length) noteChange();
  changed.clear();
}

async function finish(event, promptId) {
  await loading;
  for (const node of changed) {
    if (node.a124Running) await say(node, STOPPED[event] ?? node.a124Status.text);
    node.a124Running = false;
  }
  const told = new Set(changed);
  keepChanged();
  await recall(promptId, told).catch(() => {}); // without the history they show what they showed
  keepChanged();
}

app.registerExtension({
  name: "animate124.status",
  setup() {
    api.addEventListener("animate124.text", ({ detail }) => {
      const node = detail && nodeOf(detail.node);
      if (!node) return;
      node.a124Running = detail.running;
      say(node, detail.text, detail.picture).then(() => keepDone(node));
    });
    api.addEventListener("animate124.stats", ({ detail }) => {
      const node = detail && nodeOf(detail.node);
      if (node) show(node, (status) => status.add(detail));
    });
    for (const event of ["execution_success", ...Object.keys(STOPPED)]) {
      api.addEventListener(event, ({ detail }) => finish(event, detail?.prompt_id));
    }
  },
  nodeCreated(node) {
    if (!kindOf(node).startsWith("A124")) return;
    chain(node, "onExecuted", (output) => showOutput(node, output).then(() => keepDone(node)));
    chain(node, "onConfigure", () => {
      const kept = node.properties?.[KEY];
      if (kept) show(node, (status) => status.restore(kept));
    });
  },
});
