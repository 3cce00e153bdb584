// The renderer's optical model as a shader: a124core/render says the same in torch.

import { BRICK } from "./volume.mjs";

export const VERTEX = `#version 300 es
out vec2 v_ndc;
void main() { // one triangle over the whole picture
  v_ndc = vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0);
  gl_Position = vec4(v_ndc, 0.0, 1.0);
}`;

// Steps stand on the renderer's lattice near + (k + 1/2) step of z-depth, so that both take the same samples.
export const FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler3D;
const float NEAR = 0.2; // smallest depth that is sampled
const float DARK = 1e-3; // transmittance below which nothing behind can be seen
const int MOST = 2048; // steps: the cube's diagonal has 256
uniform sampler3D u_from, u_to, u_bricks_from, u_bricks_to; // density and colour; which bricks are not empty
uniform float u_share; // of the second frame
uniform float u_peak, u_step;
uniform vec3 u_low, u_high, u_cells; // corners of the box, cells along its sides
uniform vec3 u_eye, u_right, u_up, u_back;
uniform vec4 u_lens; // ray = right (x lens.x + lens.y) + up (y lens.z + lens.w) - back, x and y in [-1, 1]
uniform vec4 u_ground; // background, alpha not multiplied in
in vec2 v_ndc;
out vec4 pixel; // alpha multiplied in

void main() {
  vec3 ray = u_right * (v_ndc.x * u_lens.x + u_lens.y) + u_up * (v_ndc.y * u_lens.z + u_lens.w) - u_back;
  vec3 safe = mix(ray, vec3(1e-9), lessThan(abs(ray), vec3(1e-9)));
  vec3 a = (u_low - u_eye) / safe, b = (u_high - u_eye) / safe;
  vec3 enter = min(a, b), leave = max(a, b);
  float first = max(NEAR, max(enter.x, max(enter.y, enter.z)));
  float last = min(leave.x, min(leave.y, leave.z));
  vec3 colour = vec3(0.0);
  float light = 1.0;
  float k = ceil((first - NEAR) / u_step);
  vec3 scale = 1.0 / (u_high - u_low);
  vec3 brick = ${BRICK}.0 / (u_cells * scale); // its sides, world units
  for (int i = 0; i < MOST; i++) {
    float depth = NEAR + (k + 0.5) * u_step;
    if (depth > last || light < DARK) break;
    vec3 xyz = u_eye + ray * depth;
    ivec3 inside = ivec3((xyz - u_low) / brick);
    if (texelFetch(u_bricks_from, inside, 0).r + texelFetch(u_bricks_to, inside, 0).r == 0.0) {
      vec3 wall = u_low + (vec3(inside) + step(0.0, ray)) * brick;
      vec3 out_ = (wall - u_eye) / safe;
      float end = min(out_.x, min(out_.y, out_.z));
      k = max(k + 1.0, ceil((end - NEAR) / u_step - 0.5));
      continue;
    }
    vec3 at = (xyz - u_low) * scale;
    vec4 one = texture(u_from, at), two = texture(u_to, at);
    float r1 = one.r * (1.0 - u_share), r2 = two.r * u_share; // roots of density: mixed as such, little ghosts
    float root = r1 + r2;
    if (root > 0.0) {
      float alpha = 1.0 - exp(-u_peak * root * root * u_step);
      colour += light * alpha * (one.gba * r1 + two.gba * r2) / root;
      light *= 1.0 - alpha;
    }
    k += 1.0;
  }
  pixel = vec4(colour + light * u_ground.rgb * u_ground.a, 1.0 - light + light * u_ground.a);
}`;
