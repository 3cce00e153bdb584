// WebGL2: frames as 3D textures, one picture for each camera.

import { brickSize } from "./volume.mjs";
import { FRAGMENT, VERTEX } from "./shader.mjs";

const STEP = (2 * Math.sqrt(3)) / 256; // the renderer's: the diagonal of the cube in 256 steps
const NO_WEBGL = "This browser shows no WebGL2: switch hardware acceleration on, or use another browser.";

export class Renderer {
  constructor(canvas) {
    this.gl = canvas.getContext("webgl2", { alpha: true, antialias: false, depth: false, xrCompatible: false });
    if (!this.gl) throw new Error(NO_WEBGL);
    this.program = linked(this.gl);
    this.places = {};
    this.empty = this.gl.createVertexArray();
    this.textures = [];
  }

  /** Stop if a scene is larger than the card takes. */
  check(header) {
    const largest = this.gl.getParameter(this.gl.MAX_3D_TEXTURE_SIZE);
    if (Math.max(...header.size) > largest) {
      throw new Error(`This graphics card takes ${largest} cells a side, the scene has more: lower its resolution.`);
    }
  }

  /** One frame of a scene of that size, on the card. */
  upload({ cells, bricks }, size) {
    const { gl } = this;
    return {
      cells: texture(gl, size, gl.RGBA8, gl.RGBA, gl.LINEAR, cells),
      bricks: texture(gl, brickSize(size), gl.R8, gl.RED, gl.NEAREST, bricks),
    };
  }

  /** From now on these frames under this header; the earlier ones are given back. */
  show(header, textures) {
    this.free(this.textures);
    Object.assign(this, { header, textures });
  }

  /** eye: { eye, right, up, back, lens } in scene units; moment: { from, to, share }; ground: [r, g, b, a]. */
  draw(eye, moment, ground, viewport, coarseness = 1) {
    const { gl, header } = this;
    gl.viewport(...viewport);
    gl.useProgram(this.program);
    gl.bindVertexArray(this.empty);
    const pair = [this.textures[moment.from], this.textures[moment.to]];
    ["cells", "bricks"].forEach((kind, k) => pair.forEach((frame, n) => {
      gl.activeTexture(gl.TEXTURE0 + 2 * k + n);
      gl.bindTexture(gl.TEXTURE_3D, frame[kind]);
    }));
    ["u_from", "u_to", "u_bricks_from", "u_bricks_to"].forEach((name, k) => gl.uniform1i(this.#place(name), k));
    gl.uniform1f(this.#place("u_share"), moment.share);
    gl.uniform1f(this.#place("u_peak"), header.peak);
    gl.uniform1f(this.#place("u_step"), STEP * coarseness);
    gl.uniform3fv(this.#place("u_low"), header.box[0]);
    gl.uniform3fv(this.#place("u_high"), header.box[1]);
    gl.uniform3fv(this.#place("u_cells"), header.size);
    for (const name of ["eye", "right", "up", "back"]) gl.uniform3fv(this.#place(`u_${name}`), eye[name]);
    gl.uniform4fv(this.#place("u_lens"), eye.lens);
    gl.uniform4fv(this.#place("u_ground"), ground);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** Give the card's memory back, and the context: browsers allow few. */
  dispose() {
    this.free(this.textures);
    this.textures = [];
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  free(textures) {
    for (const { cells, bricks } of textures) {
      this.gl.deleteTexture(cells);
      this.gl.deleteTexture(bricks);
    }
  }

  #place(name) {
    this.places[name] ??= this.gl.getUniformLocation(this.program, name);
    return this.places[name];
  }
}

function linked(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
      throw new Error(`The graphics driver refused a shader (${gl.getShaderInfoLog(shader)}): update it.`);
    }
  }
  gl.linkProgram(program);
  return program;
}

function texture(gl, size, inside, format, filter, bytes) {
  const made = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0);
  gl.bindTexture(gl.TEXTURE_3D, made);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  gl.texImage3D(gl.TEXTURE_3D, 0, inside, ...size, 0, format, gl.UNSIGNED_BYTE, bytes);
  for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R]) {
    gl.texParameteri(gl.TEXTURE_3D, side, gl.CLAMP_TO_EDGE);
  }
  gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MIN_FILTER, filter);
  gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MAG_FILTER, filter);
  return made;
}
