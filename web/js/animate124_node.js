// What the other files do with the host's nodes: find them, add to what happens on them, keep the workflow.

import { app } from "../../../scripts/app.js";

/** The node of an execution id if it is ours; "12:3" is node 3 in the subgraph of node 12. */
export function nodeOf(id) {
  let graph = app.rootGraph ?? app.graph, node = null;
  for (const part of String(id).split(":")) {
    node = graph?.getNodeById?.(Number(part)) ?? null;
    graph = node?.subgraph;
  }
  return node && kindOf(node).startsWith("A124") ? node : null;
}

/** The id of a node's class. */
export function kindOf(node) {
  return String(node.comfyClass ?? node.constructor?.comfyClass ?? node.type);
}

/** What happens on a node besides what happened there before. */
export function chain(node, name, more) {
  const before = node[name];
  node[name] = function (...args) {
    const result = before?.apply(this, args);
    more(...args);
    return result;
  };
}

/** The host keeps the workflow for the next visit when it notes a change, and nobody tells it of properties. */
export function noteChange() {
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  (tracker?.captureCanvasState ?? tracker?.checkState)?.call(tracker); // its name since, and before, frontend 1.45
}
