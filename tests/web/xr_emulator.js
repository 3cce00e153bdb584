// A headset without a headset: as much of WebXR as a viewer needs, drawn into a framebuffer that a test can read.
// window.xr.head is the head's matrix (column by column), window.xr.apart the metres between the eyes.

(() => {
  const SIZE = 128; // pixels of one eye's picture
  const LENSES = { left: [-0.5, 0.38, -0.44, 0.44], right: [-0.38, 0.5, -0.44, 0.44] }; // tangents: l, r, b, t
  const NEAR = 0.1, FAR = 100;
  const identity = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1.6, 0, 1];
  const state = (window.xr = { head: identity, apart: 0.064, kinds: ["immersive-vr", "immersive-ar"], SIZE, LENSES, frames: 0 });

  function projection([l, r, b, t]) {
    const m = new Float32Array(16);
    m[0] = 2 / (r - l); m[5] = 2 / (t - b);
    m[8] = (r + l) / (r - l); m[9] = (t + b) / (t - b);
    m[10] = -(FAR + NEAR) / (FAR - NEAR); m[11] = -1; m[14] = (-2 * FAR * NEAR) / (FAR - NEAR);
    return m;
  }

  /** The head's matrix, moved along its own x. */
  function shifted(x) {
    const m = Float32Array.from(state.head);
    for (let k = 0; k < 3; k++) m[12 + k] += x * m[k];
    return m;
  }

  function views() {
    return ["left", "right"].map((eye, k) => ({
      eye, projectionMatrix: projection(LENSES[eye]), transform: { matrix: shifted((k - 0.5) * state.apart) },
    }));
  }

  class Session extends EventTarget {
    updateRenderState({ baseLayer }) { this.layer = baseLayer; }
    async requestReferenceSpace(kind) { return { kind }; }
    requestAnimationFrame(callback) {
      return requestAnimationFrame((now) => {
        if (this.ended) return;
        callback(now, { getViewerPose: () => ({ transform: { matrix: Float32Array.from(state.head) }, views: views() }) });
        state.frames++;
      });
    }
    async end() { this.ended = true; this.dispatchEvent(new Event("end")); }
  }

  window.XRWebGLLayer = class {
    constructor(session, gl) {
      this.framebuffer = gl.createFramebuffer();
      const texture = gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, 2 * SIZE, SIZE);
      gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
      gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
      gl.bindFramebuffer(gl.FRAMEBUFFER, null);
      state.layer = this;
      state.gl = gl;
    }
    getViewport({ eye }) { return { x: eye === "left" ? 0 : SIZE, y: 0, width: SIZE, height: SIZE }; }
  };

  /** What the headset shows now: RGBA rows from below. */
  state.pixels = () => {
    const { gl } = state, bytes = new Uint8Array(8 * SIZE * SIZE);
    gl.bindFramebuffer(gl.FRAMEBUFFER, state.layer.framebuffer);
    gl.readPixels(0, 0, 2 * SIZE, SIZE, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    return [2 * SIZE, SIZE, window.base64(bytes)];
  };

  WebGL2RenderingContext.prototype.makeXRCompatible = async () => {};
  Object.defineProperty(navigator, "xr", { value: {
    isSessionSupported: async (kind) => state.kinds.includes(kind),
    requestSession: async () => (state.session = new Session()),
  } });
})();
