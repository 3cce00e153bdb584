// Names of files take the tokens that Save Image takes (%date:yyyy-MM-dd%, %Node.widget%): the page fills them when it queues.

import { app } from "../../../scripts/app.js";
import { kindOf } from "./animate124_node.js";

const NODES = ["A124SaveField", "A124ExportMesh", "A124ExportFrames", "A124ExportViewer"];

/** Fill the tokens of a name. The host's function takes the graph; in frontends before 1.45 it takes the app. */
function filled(fill, name) {
  try {
    return fill(app.graph, name);
  } catch {
    return fill(app, name);
  }
}

app.registerExtension({
  name: "animate124.names",
  nodeCreated(node) {
    if (!NODES.includes(kindOf(node))) return;
    const widget = node.widgets?.find((w) => w.name === "name");
    const fill = window.comfyAPI?.utils?.applyTextReplacements;
    if (widget && fill) widget.serializeValue = () => filled(fill, widget.value);
  },
});
