// Names of files take the tokens that Save Image takes (%date:yyyy-MM-dd%, %Node.widget%): the page fills them when it queues.

import { app } from "../../../scripts/app.js";

const NODES = ["A124SaveField", "A124ExportMesh", "A124ExportFrames", "A124ExportViewer"];

app.registerExtension({
  name: "animate124.names",
  nodeCreated(node) {
    if (!NODES.includes(node.comfyClass ?? node.constructor?.comfyClass)) return;
    const widget = node.widgets?.find((w) => w.name === "name");
    const fill = window.comfyAPI?.utils?.applyTextReplacements;
    if (widget && fill) widget.serializeValue = () => fill(app.graph, widget.value);
  },
});
