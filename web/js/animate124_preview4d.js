// The 4D viewer inside A124Preview4D. The viewer itself is loaded when the first scene is there to be shown.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { fresh } from "./animate124_fresh.js";
import { chain, kindOf, noteChange } from "./animate124_node.js";

const NODE = "A124Preview4D";
const KEY = "a124_volume"; // of the node's ui output, and of the property that brings the scene back after a reload
const GONE = "The baked scene is no longer on the server: change a value of this node and queue it again.";
const HEIGHT = 360; // pixels at first
const LEAST = 220; // pixels
const READ = 8000; // milliseconds for a sentence or two

class Panel {
  constructor(node) {
    this.node = node;
    this.element = document.createElement("div");
    Object.assign(this.element.style, { width: "100%", height: "100%", minHeight: `${LEAST}px` });
    const widget = node.addDOMWidget("viewer", "A124_VIEWER", this.element, {
      serialize: false, hideOnZoom: false, getMinHeight: () => LEAST, getValue: () => "", setValue: () => {},
    });
    widget.serialize = false; // no value in saved workflows either
    node.setSize([Math.max(node.size[0], 320), node.computeSize()[1] + HEIGHT - LEAST]);
    chain(node, "onExecuted", (output) => this.take(output));
    chain(node, "onConfigure", () => this.show());
    chain(node, "onAdded", () => this.show());
    chain(node, "onRemoved", () => this.dispose());
  }

  /** A result of the node: { filename, subfolder, type } of a baked scene. */
  take(output) {
    const file = output?.[KEY]?.[0];
    if (!file) return;
    if (JSON.stringify(this.node.properties[KEY]) !== JSON.stringify(file)) {
      this.node.properties[KEY] = file;
      noteChange();
    }
    this.show();
  }

  async show() {
    const file = this.node.properties?.[KEY];
    const name = JSON.stringify(file ?? null);
    if (!file || name === this.shown) return; // results may come twice: executed, and restored from history
    this.shown = name;
    try {
      const [{ Viewer }, { sendCamera }] = await Promise.all([fresh("viewer.mjs"), fresh("send_camera.mjs")]);
      if (this.shown !== name) return;
      this.viewer ??= this.#made(Viewer, sendCamera);
      const answer = await api.fetchApi(`/view?${new URLSearchParams(file)}`);
      if (!answer.ok) throw new Error(answer.status === 404 ? GONE : `The server answered ${answer.status}: ${GONE}`);
      const buffer = await answer.arrayBuffer();
      if (this.shown === name && !(await this.viewer.load(buffer))) this.#failed(name);
    } catch (error) {
      if (this.shown !== name) return;
      this.#failed(name);
      if (this.viewer) this.viewer.say(error.message);
      else this.element.textContent = `The viewer did not load (${error.message}): queue the node again.`;
    }
  }

  /** The same result, when it comes again, is shown again. */
  #failed(name) {
    if (this.shown === name) this.shown = null;
  }

  #made(Viewer, sendCamera) {
    const viewer = new Viewer(this.element);
    viewer.controls.add("send", "⇥ camera", "Send this camera to the Cameras node", () => {
      viewer.say(sendCamera(app, viewer.camera, viewer.canvas.clientWidth / viewer.canvas.clientHeight));
      setTimeout(() => viewer.say(""), READ);
    });
    return viewer;
  }

  dispose() {
    this.viewer?.dispose();
    this.viewer = this.shown = null;
  }
}

app.registerExtension({
  name: "animate124.preview4d",
  nodeCreated(node) {
    if (kindOf(node) === NODE) node.a124Panel = new Panel(node);
  },
});
