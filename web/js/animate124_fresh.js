// Modules of web/lib, never an older release's: the host forbids browsers to keep .js files, but says nothing of .mjs.

const LIBRARY = new URL("../lib/", import.meta.url);
const IMPORT = / from "\.\/([\w-]+\.mjs)"/g;
const asked = new Map(); // module -> the promise that the browser's copy is the server's

/** Ask the server whether the browser's copies of a module and of all it imports are still right. */
function refresh(name) {
  if (!asked.has(name)) asked.set(name, ask(name));
  return asked.get(name);
}

async function ask(name) {
  const answer = await fetch(new URL(name, LIBRARY), { cache: "no-cache" });
  const needed = [...(await answer.text()).matchAll(IMPORT)].map((found) => found[1]);
  await Promise.all(needed.filter((other) => !asked.has(other)).map(refresh));
}

/** import() of a module of web/lib. */
export async function fresh(name) {
  await refresh(name).catch((error) => {
    asked.clear();
    throw error;
  });
  return import(new URL(name, LIBRARY));
}
