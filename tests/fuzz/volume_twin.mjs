// The viewer's own reader: a file in base64 on each line of input -> what became of it, in JSON, on a line of output.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { inflateSync } from "node:zlib";
import { inflateFrame, readVolume } from "../../web/lib/volume.mjs";

// Browsers refuse bytes after the end of a frame, as the standard says; node does not. tests/web tries it in a browser.
const JUNK = "The viewer file is damaged, a frame does not unpack: queue the node again.";

async function read(text) {
  const bytes = Uint8Array.from(Buffer.from(text, "base64"));
  const hash = createHash("sha256");
  try {
    const { header, frames } = readVolume(bytes.buffer);
    for (const packed of frames) {
      const { cells } = await inflateFrame(packed, header.size);
      if (inflateSync(packed, { info: true }).engine.bytesWritten < packed.length) throw new Error(JUNK);
      hash.update(cells);
    }
    return { good: hash.digest("hex") };
  } catch (error) {
    return error.constructor === Error ? { refused: error.message } : { failed: String(error.stack) };
  }
}

/** The peak of this process in kilobytes. On Linux resourceUsage() also counts the process that started this one. */
function peak() {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
  } catch {
    return process.resourceUsage().maxRSS;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const started = performance.now();
  const outcome = await read(line);
  console.log(JSON.stringify({ ...outcome, seconds: (performance.now() - started) / 1000, kilobytes: peak() }));
}
