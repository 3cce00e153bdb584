// Walk around the scene: WebXR, in a headset or on a phone.

import { framesAround } from "./volume.mjs";

const KINDS = [["immersive-vr", "VR"], ["immersive-ar", "AR"]];
const DISTANCE = 1.0; // metres between the head and the middle of the scene when the session begins

/** A button for each kind of session that this browser offers. */
export async function offerXr(viewer) {
  if (!navigator.xr) return;
  for (const [kind, name] of KINDS) {
    const offered = await navigator.xr.isSessionSupported(kind).catch(() => false);
    if (offered) viewer.controls.add(name.toLowerCase(), name, `Enter ${name}: walk around the scene`, () => enter(viewer, kind));
  }
}

async function enter(viewer, kind) {
  if (viewer.session || !viewer.ready) return;
  try {
    const { gl } = viewer.renderer;
    const session = await navigator.xr.requestSession(kind);
    viewer.session = session;
    session.addEventListener("end", () => { viewer.session = null; viewer.changed(); });
    await gl.makeXRCompatible();
    const layer = new XRWebGLLayer(session, gl);
    session.updateRenderState({ baseLayer: layer });
    const space = await session.requestReferenceSpace("local");
    run(viewer, session, layer, space, kind === "immersive-ar");
  } catch (error) {
    viewer.session?.end();
    viewer.say(`The session did not start (${error.message}): connect the headset and try again.`);
  }
}

function run(viewer, session, layer, space, seeThrough) {
  const { gl } = viewer.renderer;
  const ground = seeThrough ? [0, 0, 0, 0] : viewer.ground;
  let place, last;
  const onFrame = (now, frame) => {
    session.requestAnimationFrame(onFrame);
    const pose = frame.getViewerPose(space);
    if (!pose || !viewer.ready) return;
    place ??= placeBefore(pose.transform, viewer.camera);
    viewer.clock.advance(last === undefined ? 0 : (now - last) / 1000);
    last = now;
    gl.bindFramebuffer(gl.FRAMEBUFFER, layer.framebuffer);
    const moment = framesAround(viewer.clock.time, viewer.header);
    for (const view of pose.views) {
      const { x, y, width, height } = layer.getViewport(view);
      viewer.renderer.draw(eyeOf(view, place), moment, ground, [x, y, width, height]);
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  };
  session.requestAnimationFrame(onFrame);
}

/** Where the scene stands in the room: upright before the head, its shown side towards it, as large as on the page. */
export function placeBefore(transform, camera) {
  const m = transform.matrix;
  const facing = Math.atan2(m[8], m[10]); // azimuth of the head's backward axis
  const turn = facing - (camera.azimuth * Math.PI) / 180;
  const scale = DISTANCE / camera.radius; // metres for a world unit
  const centre = [m[12] - Math.sin(facing) * DISTANCE, m[13], m[14] - Math.cos(facing) * DISTANCE];
  return { centre, scale, cos: Math.cos(turn), sin: Math.sin(turn) };
}

/** An XRView in scene units: its axes, and the lens of its projection, which need not be symmetric. */
export function eyeOf(view, place) {
  const m = view.transform.matrix, p = view.projectionMatrix;
  const turned = ([x, y, z]) => [place.cos * x - place.sin * z, y, place.sin * x + place.cos * z];
  const eye = turned([m[12], m[13], m[14]].map((v, k) => (v - place.centre[k]) / place.scale));
  const axes = [0, 4, 8].map((k) => turned([m[k], m[k + 1], m[k + 2]]));
  const lens = [1 / p[0], p[8] / p[0], 1 / p[5], p[9] / p[5]];
  return { eye, right: axes[0], up: axes[1], back: axes[2], lens };
}
