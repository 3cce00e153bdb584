// Mouse, pen, fingers, wheel and keys on the picture. Nothing of it reaches the page behind.

import { orbit, pan, zoom } from "./camera.mjs";

const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const KEY_TURN = 1 / 36; // picture heights: five degrees

function own(event) {
  event.preventDefault();
  event.stopPropagation();
}

/** on: { camera(): the camera, changed(), reset(), toggle(): play or pause }. */
export function listenToGestures(canvas, on) {
  const pointers = new Map();

  canvas.addEventListener("pointerdown", (event) => {
    own(event);
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
  });
  canvas.addEventListener("pointermove", (event) => {
    event.stopPropagation();
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const shown = canvas.getBoundingClientRect(); // as large as it is on the screen: the host zooms its nodes
    const height = Math.min(shown.width, shown.height);
    const dx = (event.clientX - before.clientX) / height, dy = (event.clientY - before.clientY) / height;
    if (pointers.size === 2) twoFingers(pointers, event, on.camera(), height);
    else if (event.buttons & 6 || event.shiftKey) pan(on.camera(), dx, dy);
    else orbit(on.camera(), dx, dy);
    pointers.set(event.pointerId, event);
    on.changed();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => { event.stopPropagation(); pointers.delete(event.pointerId); });
  }
  canvas.addEventListener("wheel", (event) => {
    own(event);
    zoom(on.camera(), Math.exp(Math.max(-100, Math.min(100, event.deltaY)) / 700));
    on.changed();
  }, { passive: false });
  canvas.addEventListener("contextmenu", own);
  canvas.addEventListener("dblclick", (event) => { own(event); on.reset(); });
  listenToKeys(canvas, on);
}

/** Keys pressed on an element, or anywhere in a document. What goes with Ctrl, Alt or Cmd is the browser's own. */
export function listenToKeys(element, on) {
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === " ") on.toggle();
    else if (event.key === "+" || event.key === "-") zoom(on.camera(), event.key === "+" ? 0.9 : 1 / 0.9);
    else if (KEYS[event.key]) orbit(on.camera(), ...KEYS[event.key].map((v) => v * KEY_TURN));
    else return;
    own(event);
    on.changed();
  });
}

/** Their middle pans, their distance zooms. */
function twoFingers(pointers, moved, camera, height) {
  const [before] = [pointers.get(moved.pointerId)];
  const other = [...pointers.values()].find((p) => p.pointerId !== moved.pointerId);
  const apart = (p) => Math.hypot(p.clientX - other.clientX, p.clientY - other.clientY) || 1;
  zoom(camera, apart(before) / apart(moved));
  pan(camera, (moved.clientX - before.clientX) / (2 * height), (moved.clientY - before.clientY) / (2 * height));
}
