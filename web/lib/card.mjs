// The graphics card, which browsers lend to some sixteen viewers of a page at once: who holds it, and who gives it back.

export const AWAY = 30_000; // milliseconds out of sight after which the graphics card is given back
export const LOST = "The browser took the graphics card from this viewer: it comes back when others are closed or out of sight.";
export const RESTING = "Others on this page use the graphics card: click the picture to turn it.";
const MOST = 12; // viewers of a page that hold it at once: before the browser takes it from one that is watched
const holders = new Set(); // in the order they took it

/** A viewer holds the card from now on. */
export function hold(viewer) {
  holders.add(viewer);
}

export function release(viewer) {
  holders.delete(viewer);
}

/** Make room for one more viewer: one that nobody sees gives the card back, or else the one that has held it longest. */
export function makeRoom(asking) {
  const others = [...holders].filter((viewer) => viewer !== asking && !viewer.session);
  if (others.length < MOST) return;
  const leaving = others.find((viewer) => !viewer.visible) ?? others[0];
  leaving.rest(leaving.visible);
}
