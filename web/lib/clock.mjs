// Which moment of the scene is shown while it plays.

export const MODES = ["loop", "ping-pong"];

export class Clock {
  /** seconds: one pass at speed 1. A scene that loops plays round and round, another one ping-pong. */
  constructor({ seconds = 3, loop = false } = {}) {
    this.seconds = seconds;
    this.mode = loop ? "loop" : "ping-pong";
    this.speed = 1;
    this.playing = false;
    this.time = 0; // scene time in [0, 1]
    this.direction = 1;
  }

  /** Let real seconds pass. */
  advance(seconds) {
    if (!this.playing) return;
    const next = this.time + (this.direction * this.speed * seconds) / this.seconds;
    if (this.mode === "loop") {
      this.direction = 1;
      this.time = next - Math.floor(next);
      return;
    }
    const phase = ((next % 2) + 2) % 2; // 0 .. 1 there, 1 .. 2 back
    if (next < 0 || next > 1) this.direction = -this.direction;
    this.time = phase > 1 ? 2 - phase : phase;
  }
}
