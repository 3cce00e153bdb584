// The viewer: a picture of a moving scene that can be turned, in any element of a page.

import { axesOf, lensOf, newCamera } from "./camera.mjs";
import { AWAY, hold, LOST, makeRoom, release, RESTING } from "./card.mjs";
import { Clock } from "./clock.mjs";
import { Controls, STYLE } from "./controls.mjs";
import { listenToGestures, listenToKeys } from "./gestures.mjs";
import { Renderer } from "./renderer.mjs";
import { framesAround, inflateFrame, readVolume } from "./volume.mjs";
import { offerXr } from "./xr.mjs";

const TURN_DEGREES = 36; // a second, on the turntable
const SHARPEST = 2; // device pixels per CSS pixel that are worth their time
const SLOW = 1 / 20; // seconds between pictures above which they become coarser while something moves
const COARSEST = 0.35; // share of the pixels of a side that is never gone below

export class Viewer {
  /** Lives in container until dispose(). It draws only when something changed, plays or turns, and is visible. */
  constructor(container) {
    this.root = container.shadowRoot ?? container.attachShadow({ mode: "open" });
    this.root.innerHTML = `<style>${STYLE}</style><div class="viewer"><div class="stage"><canvas tabindex="0"
      aria-label="Moving 3D scene: drag to turn, wheel to zoom, right drag to move"></canvas><img class="still" alt="" hidden>
      <div class="message" role="status"></div></div></div>`;
    this.canvas = this.root.querySelector("canvas");
    this.message = this.root.querySelector(".message");
    this.still = this.root.querySelector(".still");
    this.clock = new Clock();
    this.camera = newCamera();
    this.ground = [1, 1, 1, 1];
    this.turning = false;
    this.scale = 1; // share of the pixels of a side, lower where the graphics card is slow
    this.loads = 0;
    this.controls = new Controls(this);
    this.root.querySelector(".viewer").append(this.controls.bar);
    listenToGestures(this.canvas, this.#hands);
    this.#watch();
    this.controls.show();
  }

  get #hands() {
    return { camera: () => this.camera, changed: () => this.changed(), reset: () => this.reset(), toggle: () => this.toggle() };
  }

  /** Hear keys wherever they are pressed in a document: for one that shows nothing but this viewer. */
  hearAll(page) {
    listenToKeys(page, this.#hands);
  }

  #watch() {
    this.visible = this.lost = false;
    this.sizes = new ResizeObserver(() => this.changed());
    this.sizes.observe(this.canvas);
    this.looked = new Promise((done) => {
      this.views = new IntersectionObserver((entries) => {
        this.#see(entries.at(-1).isIntersecting);
        done();
      });
    });
    this.views.observe(this.canvas);
    this.canvas.addEventListener("pointerdown", () => this.#wake());
    this.canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault(); // or it would never come back
      this.loads++;
      release(this);
      this.lost = true;
      this.renderer = null;
      this.later = this.coming ?? this.later ?? this.buffer;
      if (!this.resting) {
        this.say(LOST);
        setTimeout(() => this.#wake());
      }
    });
    this.canvas.addEventListener("webglcontextrestored", () => {
      this.lost = false;
      this.#wake();
    });
  }

  #see(visible) {
    this.visible = visible;
    clearTimeout(this.away);
    if (visible) this.#wake();
    else this.away = setTimeout(() => this.rest(), AWAY);
    this.changed();
  }

  /** Give the graphics card back until the viewer is seen again, or clicked if it is seen now: its picture stays. */
  rest(seen = false) {
    this.resting = seen === this.visible && !this.session && this.renderer?.gl.getExtension("WEBGL_lose_context");
    if (!this.resting) return;
    if (this.ready) {
      this.draw();
      this.still.src = this.canvas.toDataURL();
      this.still.hidden = false;
    }
    if (this.visible) this.say(RESTING);
    release(this);
    this.renderer.dispose();
  }

  /** Take the graphics card back, and load what could not be loaded meanwhile. */
  #wake() {
    if (!this.visible) return;
    if (this.lost) makeRoom(this);
    if (this.lost && this.resting) {
      this.resting.restoreContext(); // tells webglcontextrestored
      this.resting = null;
    } else if (!this.lost && this.later) this.load(this.later);
  }

  /** Show the scene of a file (ArrayBuffer), once it can be seen; until it is complete the earlier one stays. What goes
   * wrong is said in the picture, in one sentence -> false. */
  async load(buffer) {
    const load = ++this.loads; // a later call ends an earlier one
    this.coming = buffer;
    this.later = null;
    try {
      const scene = readVolume(buffer);
      await this.looked;
      if (load !== this.loads) return true;
      if (this.visible && !this.lost) await this.#take(scene, load, buffer);
      else this.later = buffer;
      return true;
    } catch (error) {
      if (load !== this.loads) return true;
      this.coming = null;
      this.say(error.message);
      return false;
    }
  }

  /** All frames to the card, then all at once into the picture. */
  async #take({ header, frames }, load, buffer) {
    if (!this.renderer) makeRoom(this);
    this.renderer ??= new Renderer(this.canvas);
    hold(this);
    const { renderer } = this;
    renderer.check(header);
    const textures = [];
    try {
      for (const packed of frames) {
        const frame = await inflateFrame(packed, header.size);
        if (load !== this.loads) break;
        textures.push(renderer.upload(frame, header.size));
        this.say(`Loading ${textures.length} of ${frames.length}`);
      }
    } finally {
      if (textures.length < frames.length) renderer.free(textures);
    }
    if (load !== this.loads) return;
    renderer.show(header, textures);
    this.coming = null;
    this.#begin(buffer, header);
    this.still.hidden = true;
    this.say("");
  }

  /** Is there a scene on the card? */
  get ready() {
    return Boolean(this.header && this.renderer?.textures.length);
  }

  /** A scene is complete. One that replaces another keeps the camera and whether it plays. */
  #begin(buffer, header) {
    const first = !this.header;
    this.buffer = buffer;
    this.header = header;
    const { time, speed, playing, direction } = this.clock;
    Object.assign(this.clock, new Clock(header), first ? { playing: header.frames.length > 1 } : { time, speed, playing, direction });
    if (first) {
      this.ground = [...header.background, 1];
      this.reset();
      offerXr(this);
    }
    this.changed();
  }

  say(text) {
    this.message.textContent = text;
  }

  toggle() {
    this.clock.playing = !this.clock.playing;
    this.changed();
  }

  showTime(time) {
    this.clock.time = time;
    this.clock.playing = false;
    this.changed();
  }

  turn(turning) {
    this.turning = turning;
    this.changed();
  }

  showGround(ground) {
    this.ground = ground;
    this.changed();
  }

  reset() {
    this.camera = newCamera(this.header?.camera);
    this.turning = false;
    this.changed();
  }

  /** Draw soon: everything that alters what is to be seen ends here. */
  changed() {
    this.controls.show();
    this.waiting ??= requestAnimationFrame((now) => this.#frame(now));
  }

  #frame(now) {
    this.waiting = null;
    const moves = (this.clock.playing || this.turning) && this.visible && !this.session;
    const seconds = this.last === undefined ? 0 : (now - this.last) / 1000;
    this.last = moves ? now : undefined;
    if (!this.ready || !this.visible || this.session) return;
    this.clock.advance(Math.min(seconds, 1));
    if (this.turning) this.camera.azimuth += TURN_DEGREES * Math.min(seconds, 1);
    this.scale = moves ? this.#bearable(seconds) : 1;
    this.draw();
    if (moves) this.changed();
  }

  /** Fewer pixels where pictures come too slowly, more again where there is time. */
  #bearable(seconds) {
    this.pace = 0.8 * (this.pace ?? seconds) + 0.2 * seconds;
    if (this.pace > SLOW) return Math.max(COARSEST, this.scale * 0.93);
    return this.pace < SLOW / 2 ? Math.min(1, this.scale * 1.03) : this.scale;
  }

  /** The picture, now. */
  draw() {
    const sharp = Math.min(devicePixelRatio || 1, SHARPEST) * this.scale;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight].map((v) => Math.max(1, Math.round(v * sharp)));
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const eye = { ...axesOf(this.camera), lens: lensOf(this.camera, width / height) };
    this.renderer.draw(eye, framesAround(this.clock.time, this.header), this.ground, [0, 0, width, height]);
  }

  /** The picture as a PNG file, in full sharpness. */
  screenshot() {
    if (!this.ready) return;
    this.scale = 1;
    this.draw();
    this.canvas.toBlob((blob) => {
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: "animate124.png" });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  dispose() {
    this.loads++;
    release(this);
    clearTimeout(this.away);
    this.session?.end();
    this.sizes.disconnect();
    this.views.disconnect();
    cancelAnimationFrame(this.waiting);
    this.renderer?.dispose();
    this.renderer = this.header = this.buffer = this.coming = this.later = null;
    this.root.innerHTML = "";
  }
}
