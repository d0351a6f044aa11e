// The whole film at a glance: how loud its stems are over time. Hatched where nobody knows yet.

import { STEMS } from "./settings.js";

const QUIET = -55; // dB; drawn as nothing
const LOUD = -10; // dB; fills a band

// Part of a band's height for a level.
function part(level) {
  return Math.max(0, Math.min(1, (level - QUIET) / (LOUD - QUIET))) ** 1.4;
}

export class Overview {
  constructor(canvas, film) {
    this.canvas = canvas;
    this.count = Math.max(1, film.fragments);
    this.levels = Object.fromEntries([...STEMS, "mixture"].map((name) => [name, new Array(this.count).fill(null)]));
    this.done = [];
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  add(runs) {
    for (const run of runs) {
      for (const name of Object.keys(this.levels)) {
        (run[name] ?? []).forEach((level, number) => {
          if (level !== null) this.levels[name][run.first + number] = level;
        });
      }
    }
  }

  clear() {
    for (const levels of Object.values(this.levels)) levels.fill(null);
    this.done = [];
  }

  // Loudest level of the fragments under a column; undefined where none is known.
  #column(name, column, width) {
    const first = Math.floor((column * this.count) / width);
    const after = Math.max(first + 1, Math.floor(((column + 1) * this.count) / width));
    let most;
    for (let index = first; index < Math.min(after, this.count); index += 1) {
      const level = this.levels[name][index];
      if (level !== null && !(level <= most)) most = level;
    }
    return most;
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    const { canvas } = this;
    const scale = devicePixelRatio || 1;
    const width = Math.max(1, Math.round(canvas.clientWidth * scale));
    const height = Math.max(1, Math.round(canvas.clientHeight * scale));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    const style = getComputedStyle(canvas);
    const band = height / STEMS.length;
    const hatch = this.#hatch(pen, style.getPropertyValue("--hatch"), scale);
    const known = new Uint8Array(this.count);
    for (const [first, after] of this.done) known.fill(1, first, after);
    const isKnown = (column) => {
      const first = Math.floor((column * this.count) / width);
      return known[first] === 1 || this.#column(STEMS[0], column, width) !== undefined;
    };
    for (let column = 0; column < width; column += 1) {
      let begin = column;
      while (column < width && !isKnown(column)) column += 1;
      if (column === begin) continue;
      pen.fillStyle = hatch;
      pen.fillRect(begin, 0, column - begin, height);
    }
    STEMS.forEach((stem, number) => {
      pen.fillStyle = style.getPropertyValue(`--${stem}`);
      for (let column = 0; column < width; column += 1) {
        const level = this.#column(stem, column, width);
        if (level === undefined) continue;
        const high = Math.max(scale, part(level) * (band - 2 * scale));
        pen.fillRect(column, (number + 0.5) * band - high / 2, 1, high);
      }
    });
    pen.fillStyle = style.getPropertyValue("--mixture");
    for (let column = 0; column < width; column += 1) {
      const level = isKnown(column) ? undefined : this.#column("mixture", column, width);
      if (level === undefined) continue;
      const high = Math.max(scale, part(level) * (height - 2 * scale));
      pen.fillRect(column, (height - high) / 2, 1, high);
    }
  }

  #hatch(pen, color, scale) {
    const size = 8 * scale;
    const tile = new OffscreenCanvas(size, size);
    const inner = tile.getContext("2d");
    inner.strokeStyle = color;
    inner.lineWidth = scale;
    inner.beginPath();
    for (const at of [-size, 0, size]) {
      inner.moveTo(at, size);
      inner.lineTo(at + size, 0);
    }
    inner.stroke();
    return pen.createPattern(tile, "repeat");
  }
}
