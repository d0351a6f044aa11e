// One SourceBuffer: one operation at a time, and what to do when the browser's room is used up.

export class Track {
  constructor(source, mime) {
    this.buffer = source.addSourceBuffer(mime);
    this.source = source;
    this.last = Promise.resolve();
  }

  // Run an operation when those before it are done, and wait for its end.
  run(operation) {
    const next = this.last.then(() => this.#now(operation));
    this.last = next.catch(() => {});
    return next;
  }

  #now(operation) {
    return new Promise((resolve, reject) => {
      const { buffer } = this;
      const done = (failed) => {
        buffer.removeEventListener("updateend", ended);
        buffer.removeEventListener("error", broken);
        if (failed) reject(failed);
        else resolve();
      };
      const ended = () => done();
      const broken = () => done(new Error("the browser refused a piece of the film"));
      buffer.addEventListener("updateend", ended);
      buffer.addEventListener("error", broken);
      try {
        operation(buffer);
      } catch (error) {
        done(error);
        return;
      }
      if (!buffer.updating) done();
    });
  }

  append(data) {
    return this.run((buffer) => buffer.appendBuffer(data));
  }

  remove(begin, end) {
    return end > begin ? this.run((buffer) => buffer.remove(begin, end)) : Promise.resolve();
  }

  // Whether a moment can be played.
  has(time) {
    const ranges = this.buffer.buffered;
    for (let i = 0; i < ranges.length; i += 1) if (ranges.start(i) <= time && time < ranges.end(i)) return true;
    return false;
  }
}

// What was appended, in seconds and bytes; it follows what the browser keeps.
export class Pieces {
  list = [];

  add(piece) {
    this.list = this.list.filter((one) => one.end <= piece.begin + 1e-3 || one.begin >= piece.end - 1e-3);
    this.list.push(piece);
    this.list.sort((one, other) => one.begin - other.begin);
  }

  // Forget what the browser has dropped by itself.
  check(track) {
    this.list = this.list.filter((one) => track.has((one.begin + one.end) / 2));
  }

  at(time) {
    return this.list.find((one) => one.begin <= time + 1e-3 && time < one.end - 1e-3);
  }

  // Where the row of pieces that begins at a moment ends.
  reach(time) {
    let piece;
    while ((piece = this.at(time))) time = piece.end;
    return time;
  }

  bytesFrom(time) {
    return this.list.reduce((sum, one) => sum + (one.end > time ? one.bytes : 0), 0);
  }

  // Take out what ended before a moment; returns where the rest begins, null if there was nothing to take.
  cut(time) {
    const old = this.list.filter((one) => one.end <= time);
    if (!old.length) return null;
    this.list = this.list.filter((one) => one.end > time);
    return old.at(-1).end;
  }
}
