// What a node shows below its widgets: a text, whose first line counts most, the curves of its losses, a small picture.

import { Sparkline } from "./sparkline.mjs";

const TEXT = 60; // pixels: four lines, whatever is said, so that nothing jumps
const LINE = 15;
const CURVES = 76;
const MARGINS = 20; // the host leaves 10 above and below
const FONT = `11px/${LINE}px system-ui, sans-serif`;

export class Status {
  constructor() {
    this.element = div({ width: "100%", overflow: "hidden" });
    this.lines = div({ font: FONT, height: `${TEXT}px`, overflow: "hidden", overflowWrap: "break-word", wordBreak: "normal" });
    Object.assign(this.lines.style, { display: "-webkit-box", webkitBoxOrient: "vertical", webkitLineClamp: String(TEXT / LINE) });
    this.first = div({ color: "var(--input-text, #ddd)", fontWeight: "600" });
    this.details = div({ color: "var(--descrip-text, #999)" });
    this.lines.append(this.first, this.details);
    this.row = div({ display: "none", gap: "6px", height: `${CURVES}px` });
    this.image = Object.assign(document.createElement("img"), { alt: "The last preview of the run" });
    Object.assign(this.image.style, { height: "100%", maxWidth: "45%", objectFit: "contain", display: "none" });
    this.sparkline = new Sparkline();
    Object.assign(this.sparkline.element.style, { flex: "1 1 0", minWidth: "0", display: "none" });
    this.row.append(this.image, this.sparkline.element);
    this.element.append(this.lines, this.row);
    this.text = "";
    this.picture = null; // a data URL: shown when it is restored, for in a run the host shows the preview itself
  }

  /** Pixels. */
  get height() {
    return MARGINS + TEXT + (this.row.style.display === "none" ? 0 : CURVES);
  }

  /** Show a text: its first line, and what follows it dimmed. */
  say(text) {
    this.text = this.lines.title = text;
    const [first, ...details] = text.split("\n");
    this.first.textContent = first;
    this.details.textContent = details.join(" ");
  }

  /** An animate124.stats event: { stage, step, losses: { name: value } }. */
  add(stats) {
    this.image.style.display = "none";
    this.#show(this.sparkline.element);
    this.sparkline.add(stats);
  }

  /** What a workflow keeps of it. */
  kept() {
    const curves = this.sparkline.kept();
    return { text: this.text, ...(this.picture && { picture: this.picture }), ...(curves && { curves }) };
  }

  /** Show what kept() returned earlier, and nothing else. */
  restore({ text, picture, curves }) {
    this.say(String(text ?? ""));
    this.row.style.display = this.image.style.display = this.sparkline.element.style.display = "none";
    this.picture = String(picture ?? "").startsWith("data:image/jpeg;base64,") ? picture : null;
    if (this.picture) {
      this.image.src = picture;
      this.#show(this.image);
    }
    this.sparkline.restore(curves ?? {});
    if (curves) this.#show(this.sparkline.element);
  }

  #show(element) {
    this.row.style.display = "flex";
    element.style.display = "block";
  }

  dispose() {
    this.sparkline.dispose();
  }
}

function div(style) {
  const element = document.createElement("div");
  Object.assign(element.style, style);
  return element;
}
