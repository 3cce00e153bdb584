// Curves of the losses of one run: a picture of their course, not of their sizes.

const COLOURS = ["#58a0e0", "#e0a058", "#6fc276", "#d46a8c", "#a98be0", "#c9c95a", "#5ac9c2"];
const MOST = 2000; // points kept of a curve; beyond, every second one is dropped
const SMOOTH = 0.15; // share of a new value in the smoothed curve: single steps jump with the noise drawn

export class Sparkline {
  constructor() {
    this.element = document.createElement("div");
    Object.assign(this.element.style, { width: "100%", height: "100%", minHeight: "60px", overflow: "hidden" });
    this.text = document.createElement("div");
    Object.assign(this.text.style, { font: "11px/14px system-ui, sans-serif", color: "#bbb", whiteSpace: "nowrap" });
    this.canvas = document.createElement("canvas");
    Object.assign(this.canvas.style, { width: "100%", height: "calc(100% - 30px)", minHeight: "30px", display: "block" });
    this.legend = this.text.cloneNode();
    this.element.append(this.text, this.canvas, this.legend);
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

  /** An animate124.stats event: { stage, step, steps, seconds_left, losses: { name: value } }. */
  add({ stage, step, steps, seconds_left: left, losses }) {
    if (stage !== this.stage || step < this.step) this.#restart(stage);
    this.step = step;
    this.steps.push(step);
    for (const [name, value] of Object.entries(losses ?? {})) {
      if (!this.curves.has(name)) this.curves.set(name, { values: [], smooth: null });
      const curve = this.curves.get(name);
      if (Number.isFinite(value)) curve.smooth = curve.smooth === null ? value : curve.smooth + SMOOTH * (value - curve.smooth);
      curve.values[this.steps.length - 1] = curve.smooth;
    }
    if (this.steps.length > MOST) this.#thin();
    this.text.textContent = `${stage} ${step} / ${steps}${left == null ? "" : `, ${duration(left)} left`}`;
    this.draw();
  }

  #thin() {
    const kept = (_, k) => k % 2 === 0;
    this.steps = this.steps.filter(kept);
    for (const curve of this.curves.values()) curve.values = Array.from(curve.values).filter(kept);
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

function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86400).toFixed(1)} days`;
}
