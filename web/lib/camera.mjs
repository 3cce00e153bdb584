// The pack's camera: right-handed, y up, azimuth 0 on +z, azimuth + towards +x, elevation + upwards, degrees.

const RADIANS = Math.PI / 180;
const POLE = 89; // degrees: the picture never turns over
const NEAREST = 0.3, FARTHEST = 12; // world units; the scene is the cube [-1, 1]^3

/** A camera that looks at target; a plain object, changed in place by the functions below. */
export function newCamera({ elevation = 0, azimuth = 0, radius = 1.8, fovy = 40 } = {}) {
  return { elevation, azimuth, radius, fovy, target: [0, 0, 0] };
}

/** Where it stands and its axes, as the columns of the renderer's camera_to_world. */
export function axesOf(camera) {
  const e = camera.elevation * RADIANS, a = camera.azimuth * RADIANS;
  const back = [Math.cos(e) * Math.sin(a), Math.sin(e), Math.cos(e) * Math.cos(a)];
  const right = [Math.cos(a), 0, -Math.sin(a)];
  const up = [-Math.sin(e) * Math.sin(a), Math.cos(e), -Math.sin(e) * Math.cos(a)];
  const eye = back.map((v, k) => camera.target[k] + v * camera.radius);
  return { eye, right, up, back };
}

/** Lens of a pinhole: fovy is the angle of the shorter side, so that a narrow picture still shows everything. */
export function lensOf(camera, aspect) {
  const tangent = Math.tan((camera.fovy * RADIANS) / 2);
  return [tangent * Math.max(aspect, 1), 0, tangent * Math.max(1 / aspect, 1), 0];
}

/** A drag of dx, dy picture heights: half a turn for each. */
export function orbit(camera, dx, dy) {
  camera.azimuth = wrap(camera.azimuth - 180 * dx);
  camera.elevation = Math.min(POLE, Math.max(-POLE, camera.elevation + 180 * dy));
}

/** The scene follows the pointer: dx, dy in picture heights at the target's depth. */
export function pan(camera, dx, dy) {
  const { right, up } = axesOf(camera);
  const height = 2 * camera.radius * Math.tan((camera.fovy * RADIANS) / 2);
  camera.target = camera.target.map((v, k) => Math.min(1, Math.max(-1, v + height * (dy * up[k] - dx * right[k]))));
}

export function zoom(camera, factor) {
  camera.radius = Math.min(FARTHEST, Math.max(NEAREST, camera.radius * factor));
}

/** Degrees in [-180, 180). */
export function wrap(degrees) {
  return ((((degrees + 180) % 360) + 360) % 360) - 180;
}
