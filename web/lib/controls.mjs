// Buttons, slider and menus under the picture.

import { MODES } from "./clock.mjs";

export const BACKGROUNDS = {
  white: [1, 1, 1, 1], black: [0, 0, 0, 1], grey: [0.5, 0.5, 0.5, 1], green: [0, 1, 0, 1], transparent: [0, 0, 0, 0],
};
const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];

export const STYLE = ` /* colours: of the host's palette, or, in a page of its own, dark */
:host, .viewer { display: block; width: 100%; height: 100%; min-height: 0; }
.viewer { display: flex; flex-direction: column; position: relative; box-sizing: border-box; overflow: hidden;
  font: 12px/1.3 system-ui, sans-serif; color: var(--input-text, #ddd); background: var(--comfy-menu-bg, #222);
  border-radius: 6px; }
.stage { position: relative; flex: 1 1 auto; min-height: 60px; background:
  repeating-conic-gradient(#bbb 0 25%, #eee 0 50%) 0 0 / 16px 16px; }
canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; outline: none; touch-action: none;
  cursor: grab; }
canvas:active { cursor: grabbing; }
canvas:focus-visible { outline: 2px solid #6af; outline-offset: -2px; }
.still { position: absolute; inset: 0; width: 100%; height: 100%; pointer-events: none; }
.message { position: absolute; inset: auto 0 0 0; padding: 6px 8px; background: rgba(0, 0, 0, 0.75); color: #fff;
  pointer-events: none; }
.message:empty { display: none; }
.bar { display: flex; flex-wrap: wrap; gap: 4px; padding: 5px 6px; align-items: center; flex: 0 0 auto; }
button, select { font: inherit; color: var(--input-text, #eee); background: var(--comfy-input-bg, #3a3a3a);
  border: 1px solid var(--border-color, #555); border-radius: 4px;
  min-width: 26px; height: 24px; padding: 0 6px; cursor: pointer; white-space: nowrap; }
select { padding: 0 2px; }
button:focus-visible, select:focus-visible { outline: 2px solid #6af; outline-offset: 1px; }
button:hover, select:hover { border-color: #58a0e0; }
button[aria-pressed="true"] { color: #fff; background: #2f6fab; border-color: #58a0e0; }
input[type="range"] { flex: 1 1 calc(100% - 130px); min-width: 60px; margin: 0; accent-color: #58a0e0; } /* a row for it */
output { min-width: 5em; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
[hidden] { display: none; }
`;

function element(tag, properties = {}, attributes = {}) {
  const made = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function button(name, label, title, onclick) {
  const made = element("button", { textContent: label, title, onclick }, { "data-name": name, "aria-label": title });
  made.type = "button";
  return made;
}

function menu(name, title, values, labels, onchoice) {
  const made = element("select", { title }, { "data-name": name, "aria-label": title });
  values.forEach((value, k) => made.append(element("option", { value, textContent: labels[k] })));
  made.onchange = () => onchoice(made.value);
  return made;
}

/** The bar of a viewer; call show() after anything changed. */
export class Controls {
  constructor(viewer) {
    this.viewer = viewer;
    const { clock } = viewer;
    this.play = button("play", "▶", "Play or pause (space)", () => viewer.toggle());
    this.slider = element("input", { type: "range", min: 0, max: 1, step: 0.001, title: "Scene time" },
      { "data-name": "time", "aria-label": "Scene time" });
    this.slider.oninput = () => viewer.showTime(Number(this.slider.value));
    this.label = element("output");
    this.speed = menu("speed", "Speed", SPEEDS, SPEEDS.map((s) => `${s}×`), (v) => { clock.speed = Number(v); });
    this.mode = menu("mode", "At the end", MODES, ["↻ loop", "⇄ ping-pong"], (v) => { clock.mode = v; });
    this.turntable = button("turntable", "⟳ spin", "Spin like a turntable", () => viewer.turn(!viewer.turning));
    this.ground = menu("background", "Background", Object.keys(BACKGROUNDS), Object.keys(BACKGROUNDS),
      (v) => viewer.showGround(BACKGROUNDS[v]));
    this.moving = [this.play, this.slider, this.label, this.speed, this.mode]; // a still scene has no use for these
    this.bar = element("div", { className: "bar" });
    this.bar.append(
      ...this.moving, this.turntable, this.ground,
      button("reset", "⌂ reset view", "Back to the first camera (double click)", () => viewer.reset()),
      button("screenshot", "⤓ PNG", "Save this picture", () => viewer.screenshot()),
    );
    for (const kind of ["pointerdown", "wheel", "keydown", "dblclick", "contextmenu"]) {
      this.bar.addEventListener(kind, (event) => event.stopPropagation());
    }
    this.#giveKeysBack();
  }

  /** After the mouse was used here, keys are the picture's again; who works the bar with keys stays in it. */
  #giveKeysBack() {
    const { viewer } = this;
    let pressed = false;
    const back = () => {
      if (pressed) viewer.canvas.focus({ preventScroll: true });
      pressed = false;
    };
    this.bar.addEventListener("pointerdown", () => { pressed = true; });
    this.bar.addEventListener("keydown", (event) => {
      pressed = false;
      if (event.key !== " " || event.target !== this.slider) return; // a slider has no use for the space bar
      event.preventDefault();
      viewer.toggle();
    });
    for (const kind of ["click", "change"]) {
      this.bar.addEventListener(kind, (event) => { if (kind === "change" || event.target.type === "button") back(); });
    }
  }

  /** One more button: sending the camera, entering VR. */
  add(name, label, title, onclick) {
    const made = button(name, label, title, onclick);
    this.bar.append(made);
    return made;
  }

  show() {
    const { clock, turning, ground, header } = this.viewer;
    this.play.textContent = clock.playing ? "❚❚" : "▶";
    this.slider.value = clock.time;
    this.label.textContent = `time ${clock.time.toFixed(2)}`;
    this.speed.value = clock.speed;
    this.mode.value = clock.mode;
    this.turntable.setAttribute("aria-pressed", turning);
    this.ground.value = Object.keys(BACKGROUNDS).find((name) => `${BACKGROUNDS[name]}` === `${ground}`) ?? "";
    for (const part of this.moving) part.hidden = !header || header.frames.length < 2;
  }
}
