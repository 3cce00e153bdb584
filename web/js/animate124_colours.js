// A colour for each of our wires, readable on dark and on light canvases; a palette that names a type keeps its own.

import { app } from "../../../scripts/app.js";

const COLOURS = {
  A124_REFERENCE: "#2f8fd8",
  A124_IMAGE_GUIDANCE: "#c77d0a",
  A124_VIEW_GUIDANCE: "#d9534f",
  A124_VIDEO_GUIDANCE: "#a66be0",
  A124_REFINE_GUIDANCE: "#d1539c",
  A124_FIELD: "#3a9a4b",
  A124_FIELD_CONFIG: "#7d8f2a",
  A124_CAMERAS: "#1f9e96",
};

/** Give a table of the host's our colours; the host may write and clear them as it loads a palette. */
function addTo(table) {
  for (const [type, ours] of Object.entries(COLOURS)) {
    let palette = table[type];
    Object.defineProperty(table, type, {
      get: () => palette || ours,
      set: (value) => (palette = value),
      enumerable: true,
      configurable: true,
    });
  }
}

app.registerExtension({
  name: "animate124.colours",
  setup() {
    [app.canvas?.default_connection_color_byType, window.LGraphCanvas?.link_type_colors].filter(Boolean).forEach(addTo);
    const sheet = document.createElement("style"); // of the host's newer nodes; a palette's own values come before it
    const rules = Object.entries(COLOURS).map(([type, ours]) => `--color-datatype-${type}: ${ours};`);
    sheet.textContent = `:root { ${rules.join(" ")} }`;
    document.head.append(sheet);
    app.canvas?.setDirty(true, true);
  },
});
