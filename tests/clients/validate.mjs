// Khronos' validator on the files named: one line of JSON, its report by file.
import { readFileSync } from "fs";
import { createRequire } from "module";

const validator = createRequire(process.argv[2] + "/")("gltf-validator");
const reports = {};
for (const file of process.argv.slice(3)) {
  reports[file] = (await validator.validateBytes(new Uint8Array(readFileSync(file)))).issues;
}
console.log(JSON.stringify(reports));
