// A viewer file to frames of RGBA bytes. docs/viewer-format.md describes the file; a124core/export writes it.

const MAGIC = "A124VOL\n";
const VERSION = 1;
const LARGEST = 2 ** 29; // bytes of all cells, unpacked, that a writer may ask a graphics card for
const LONGEST_HEADER = 2 ** 20; // bytes; of 256 frames it has 20,000
const LONGEST_SIDE = 2048; // cells: what most graphics cards take along a side of a 3D texture
const MOST_FRAMES = 256;
const DEFLATE_RATIO = 1032; // no more bytes can come out of one that goes in
const FAR = 1e3; // world units; the scene is a cube of 2
const CAMERA_LIMITS = { elevation: [-1e6, 1e6], azimuth: [-1e6, 1e6], fovy: [0.01, 179], radius: [1e-3, FAR] };
export const BRICK = 4; // cells along one side of the bricks that empty space is skipped by

/** Header and compressed frames of a file; throws one sentence for anything else. */
export function readVolume(buffer) {
  const bytes = new Uint8Array(buffer);
  const magic = String.fromCharCode(...bytes.subarray(0, MAGIC.length));
  if (magic !== MAGIC) throw new Error("This is not a viewer file: queue the node again.");
  if (bytes.length < MAGIC.length + 8) throw incomplete();
  const view = new DataView(buffer);
  const version = view.getUint32(MAGIC.length, true);
  if (version !== VERSION) {
    throw new Error(`The file has version ${version}, this viewer reads ${VERSION}: queue the node again.`);
  }
  const length = view.getUint32(MAGIC.length + 4, true);
  if (length > LONGEST_HEADER) throw damaged("its header is too long");
  const start = MAGIC.length + 8 + length;
  if (start > bytes.length) throw incomplete();
  const header = parseHeader(bytes.subarray(MAGIC.length + 8, start));
  const frames = header.frames.map(({ offset, bytes: count }) => {
    if (start + offset + count > bytes.length) throw incomplete();
    if (bytesOf(header.size) > DEFLATE_RATIO * count) throw damaged("a frame is too short for its cells");
    return bytes.subarray(start + offset, start + offset + count);
  });
  return { header, frames };
}

function incomplete() {
  return new Error("The viewer file is incomplete, its end is missing: queue the node again.");
}

function damaged(what) {
  return new Error(`The viewer file is damaged, ${what}: queue the node again.`);
}

/** Bytes of the cells of one frame. */
function bytesOf([width, height, depth]) {
  return 4 * width * height * depth;
}

function parseHeader(bytes) {
  let header;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw damaged("its header is not JSON");
  }
  if (!header || typeof header !== "object") throw damaged("its header is no object");
  for (const [name, isRight] of Object.entries(HEADER_ENTRIES)) {
    if (!Object.hasOwn(header, name) || !isRight(header[name])) throw damaged(`the ${name} in its header cannot be right`);
  }
  const megabytes = (bytesOf(header.size) * header.frames.length) / 2 ** 20;
  if (megabytes > LARGEST / 2 ** 20) {
    throw new Error(`The scene unpacks to ${Math.round(megabytes)} MB, ${LARGEST / 2 ** 20} are shown: lower its resolution.`);
  }
  return header;
}

function isNumber(value, low, high) {
  return typeof value === "number" && low <= value && value <= high;
}

function isCount(value, low, high) {
  return Number.isInteger(value) && isNumber(value, low, high);
}

function isRow(value, count, isRight) {
  return Array.isArray(value) && value.length === count && value.every(isRight);
}

function isBox(value) {
  const corners = isRow(value, 2, (corner) => isRow(corner, 3, (v) => isNumber(v, -FAR, FAR)));
  return corners && value[0].every((low, axis) => low < value[1][axis]);
}

function isCamera(value) {
  if (!value || typeof value !== "object") return false;
  return Object.entries(CAMERA_LIMITS).every(([name, limits]) => isNumber(value[name], ...limits));
}

/** Frames of the file, in the order of their times. */
function areFrames(value) {
  if (!Array.isArray(value) || value.length < 1 || value.length > MOST_FRAMES) return false;
  return value.every((frame, k) => frame && typeof frame === "object" && isNumber(frame.time, 0, 1)
    && isCount(frame.offset, 0, 2 ** 32) && isCount(frame.bytes, 1, 2 ** 32) && (k === 0 || value[k - 1].time < frame.time));
}

const HEADER_ENTRIES = {
  size: (value) => isRow(value, 3, (n) => isCount(n, 1, LONGEST_SIDE)),
  box: isBox,
  peak: (value) => isNumber(value, 1e-30, 1e30),
  loop: (value) => typeof value === "boolean",
  seconds: (value) => isNumber(value, 1e-30, 1e300),
  background: (value) => isRow(value, 3, (colour) => isNumber(colour, 0, 1)),
  camera: isCamera,
  frames: areFrames,
};

/** One frame: interleaved cells (density, red, green, blue; x fastest) and the bricks that are not empty. */
export async function inflateFrame(packed, size) {
  if (!globalThis.DecompressionStream) throw new Error("This browser cannot unpack the scene: use one of 2023 or later.");
  const cells = interleave(await unpacked(packed, bytesOf(size)), size[0]);
  return { cells, bricks: bricksOf(cells, size) };
}

/** So many bytes; unpacking stops where there are more. */
async function unpacked(packed, count) {
  const bytes = new Uint8Array(count);
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  let filled = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(() => { throw damaged("a frame does not unpack"); });
    if (done || filled + value.length > count) {
      if (done && filled === count) return bytes;
      reader.cancel().catch(() => {});
      throw damaged("a frame has another size than its header says");
    }
    bytes.set(value, filled);
    filled += value.length;
  }
}

/** Undo the differences along x and weave the four planes together. */
function interleave(planes, width) {
  const count = planes.length / 4;
  const cells = new Uint8Array(planes.length);
  for (let channel = 0; channel < 4; channel++) {
    for (let row = 0; row < count; row += width) {
      let value = 0;
      for (let x = row; x < row + width; x++) {
        value = (value + planes[channel * count + x]) & 255;
        cells[4 * x + channel] = value;
      }
    }
  }
  return cells;
}

export function brickSize(size) {
  return size.map((n) => Math.ceil(n / BRICK));
}

/** 255 where a brick, or a cell that interpolation reaches from it, has density. */
function bricksOf(cells, [width, height, depth]) {
  const [bw, bh, bd] = brickSize([width, height, depth]);
  const bricks = new Uint8Array(bw * bh * bd);
  for (let z = 0, cell = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++, cell += 4) {
        if (cells[cell] === 0) continue;
        for (const k of reached(z, bd)) for (const j of reached(y, bh)) for (const i of reached(x, bw)) {
          bricks[(k * bh + j) * bw + i] = 255;
        }
      }
    }
  }
  return bricks;
}

/** The bricks from which interpolation can reach a cell: its own, and a neighbour where it lies at the border. */
function reached(cell, count) {
  const brick = Math.floor(cell / BRICK);
  const found = [brick];
  if (cell % BRICK === 0 && brick > 0) found.push(brick - 1);
  if (cell % BRICK === BRICK - 1 && brick + 1 < count) found.push(brick + 1);
  return found;
}

/** Scene time -> the two frames around it and the share of the second. */
export function framesAround(time, header) {
  const times = header.frames.map((frame) => frame.time);
  const last = times.length - 1;
  let from = 0;
  while (from < last && times[from + 1] <= time) from++;
  if (from === last && !header.loop) return { from, to: from, share: 0 };
  const to = from === last ? 0 : from + 1;
  const end = from === last ? 1 : times[to];
  return { from, to, share: Math.min(1, Math.max(0, (time - times[from]) / (end - times[from]))) };
}
