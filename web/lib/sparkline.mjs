// Curves of the losses of one run: a picture of their course, not of their sizes.

const COLOURS = ["#58a0e0", "#e0a058", "#6fc276", "#d46a8c", "#a98be0", "#c9c95a", "#5ac9c2"];
const TITLE = "losses (lower is better, noisy is normal)";
const MOST = 2000; // points of a curve while it grows; beyond, every second one is dropped
const KEPT = 100; // points of a curve that a workflow keeps
const SMOOTH = 0.15; // share of a new value in the smoothed curve: single steps jump with the noise drawn

export class Sparkline {
  constructor() {
    this.element = document.createElement("div");
    Object.assign(this.element.style, { width: "100%", height: "100%", overflow: "hidden" });
    const text = document.createElement("div");
    Object.assign(text.style, { font: "10px/13px system-ui, sans-serif", color: "var(--descrip-text, #999)", whiteSpace: "nowrap" });
    Object.assign(text.style, { overflow: "hidden", textOverflow: "ellipsis" });
    this.legend = text.cloneNode();
    this.canvas = document.createElement("canvas");
    Object.assign(this.canvas.style, { width: "100%", height: "calc(100% - 28px)", minHeight: "30px", display: "block" });
    text.textContent = text.title = TITLE;
    this.element.append(text, this.canvas, this.legend);
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.canvas);
    this.#restart("");
  }

  #restart(stage) {
    this.stage = stage;
    this.step = 0;
    this.steps = [];
    this.curves = new Map();
  }

  /** An animate124.stats event: { stage, step, losses: { name: value } }. */
  add({ stage, step, losses }) {
    if (stage !== this.stage || step < this.step) this.#restart(stage);
    this.step = step;
    this.steps.push(step);
    for (const [name, value] of Object.entries(losses ?? {})) {
      if (!this.curves.has(name)) this.curves.set(name, { values: [], smooth: null });
      const curve = this.curves.get(name);
      if (Number.isFinite(value)) curve.smooth = curve.smooth === null ? value : curve.smooth + SMOOTH * (value - curve.smooth);
      curve.values[this.steps.length - 1] = curve.smooth;
    }
    if (this.steps.length > MOST) this.#take((_, k) => k % 2 === 0);
    this.draw();
  }

  #take(chosen) {
    for (const curve of this.curves.values()) curve.values = Array.from(curve.values).filter(chosen);
    this.steps = this.steps.filter(chosen);
  }

  /** The curves as a few thousand bytes of JSON, or null: { stage, steps, values: { name: [value or null] } }. */
  kept() {
    const last = this.steps.length - 1, stride = Math.ceil((last + 1) / KEPT);
    if (last < 1) return null;
    const chosen = (_, k) => (last - k) % stride === 0;
    const brief = (value) => (value == null ? null : Number(value.toPrecision(4)));
    const values = [...this.curves].map(([name, curve]) => [name, Array.from(curve.values).filter(chosen).map(brief)]);
    return { stage: this.stage, steps: this.steps.filter(chosen), values: Object.fromEntries(values) };
  }

  /** Show what kept() returned earlier; a run that goes on goes on with it. */
  restore({ stage, steps, values }) {
    this.#restart(stage);
    this.steps = Array.from(steps ?? []);
    this.step = this.steps.at(-1) ?? 0;
    for (const [name, curve] of Object.entries(values ?? {})) {
      this.curves.set(name, { values: Array.from(curve), smooth: curve.at(-1) ?? null });
    }
    this.draw();
  }

  draw() {
    const { canvas } = this;
    const scale = globalThis.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * scale), height = Math.round(canvas.clientHeight * scale);
    if (!width || !height || this.steps.length < 2) return;
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.lineWidth = 1.5 * scale;
    this.legend.replaceChildren();
    [...this.curves].forEach(([name, { values }], k) => {
      context.strokeStyle = COLOURS[k % COLOURS.length];
      strokeCurve(context, this.steps, values, width, height, 2 * scale);
      const label = Object.assign(document.createElement("span"), { textContent: `${name} ` });
      label.style.color = context.strokeStyle;
      this.legend.append(label);
    });
    this.legend.title = `${TITLE}: ${[...this.curves.keys()].join(", ")}`;
  }

  dispose() {
    this.sizes.disconnect();
  }
}

/** Each curve between its own lowest and highest value, so that none is a flat line under another. */
function strokeCurve(context, steps, values, width, height, margin) {
  const known = values.filter((v) => v != null);
  const low = Math.min(...known), span = Math.max(...known) - low || 1;
  const first = steps[0], length = steps[steps.length - 1] - first || 1;
  context.beginPath();
  values.forEach((value, k) => {
    if (value == null) return;
    const x = (width * (steps[k] - first)) / length;
    const y = height - margin - ((height - 2 * margin) * (value - low)) / span;
    context.lineTo(x, y);
  });
  context.stroke();
}
