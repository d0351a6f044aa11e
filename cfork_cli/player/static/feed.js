// Feed the media element: picture by groups, sound by fragments, a little ahead of the playhead.

import * as api from "./api.js";
import { settings } from "./settings.js";
import { Pieces, Track } from "./track.js";

const MiB = 2 ** 20;
const BEHIND = 5; // s kept behind the playhead
const AHEAD = { audio: 14, video: 24 }; // s
const MOST = { audio: 8 * MiB, video: 40 * MiB }; // bytes ahead
const TOO_NEAR = 0.4; // s; the browser has decoded what lies nearer: it is not replaced any more
const TICK = 250; // ms
const TAIL = 0.1; // s of sound that the browser keeps beyond the film's end

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Feed extends EventTarget {
  done = []; // runs of fragments whose stems are there, [first, after]
  waits = { audio: false, video: false };
  problem = "";
  replaced = 0; // fragments that took the place of plain ones
  generation = 0; // rises with each seek and each change of track

  async open(element, film) {
    this.element = element;
    this.film = film;
    const source = new MediaSource();
    element.src = URL.createObjectURL(source);
    await new Promise((resolve) => source.addEventListener("sourceopen", resolve, { once: true }));
    this.source = source;
    source.duration = film.duration;
    const can = {};
    const { video } = film;
    for (const mime of [...film.audio_mimes, video?.mime, video?.transcode_mime].filter(Boolean)) {
      can[mime] = MediaSource.isTypeSupported(mime);
    }
    await api.send("/api/can", can);
    const sound = film.audio_mimes.find((mime) => can[mime]);
    if (!sound) throw new Error("this browser cannot play FLAC: take Chromium, Chrome, Edge or Firefox");
    this.audio = new Track(source, sound);
    this.audio.buffer.appendWindowEnd = film.duration + TAIL;
    this.sounds = new Pieces();
    const picture = [video?.mime, video?.transcode_mime].find((mime) => mime && can[mime]);
    if (picture) {
      this.video = new Track(source, picture);
      this.pictures = new Pieces();
    } else if (video) this.problem = "this browser cannot show the picture";
    await this.audio.append((await api.bytes("/a/init")).data); // after it, a browser takes no more tracks
    element.addEventListener("seeking", () => this.turn());
    settings.addEventListener("change", () => this.wake?.());
    this.#loop("audio", () => this.#sound());
    if (picture) this.#loop("video", () => this.#picture());
  }

  // Let go of what is being fetched: another place or track is wanted.
  turn() {
    this.generation += 1;
    this.abort?.abort();
    this.abort = new AbortController();
    this.wake?.();
  }

  async track() {
    this.turn();
    this.sounds.list = [];
    this.done = [];
    await this.audio.remove(0, Infinity);
  }

  has(index) {
    return this.done.some(([first, after]) => first <= index && index < after);
  }

  // Whether the playhead's sound has its stems.
  isWhole(time = this.element.currentTime) {
    return this.sounds?.at(time)?.plain === false;
  }

  async #loop(kind, step) {
    this.abort ??= new AbortController();
    for (;;) {
      const { generation } = this;
      let busy = false;
      try {
        busy = await step();
        if (busy) this.problem = "";
      } catch (error) {
        if (error.name !== "AbortError" && generation === this.generation) {
          if (!(error instanceof TypeError)) this.problem = error.message; // a TypeError is the lost server
          await pause(1000);
        }
      }
      if (!busy) await Promise.race([pause(TICK), new Promise((resolve) => this.#wakes(resolve))]);
    }
  }

  #sleepers = [];

  #wakes(resolve) {
    this.#sleepers.push(resolve);
    this.wake = () => this.#sleepers.splice(0).forEach((one) => one());
  }

  #now() {
    return Math.min(this.element.currentTime, this.film.duration - 0.01);
  }

  async #picture() {
    const now = this.#now();
    this.pictures.check(this.video);
    const at = this.pictures.reach(now);
    this.waits.video = at - now < 0.3;
    const ahead = at - now;
    if (at >= this.film.duration - 0.01 || ahead > AHEAD.video) return this.#finish();
    if (ahead > 1 && this.pictures.bytesFrom(now) > MOST.video) return false;
    const fresh = at === now ? "&fresh=1" : "";
    const piece = await api.bytes(`/v?t=${at.toFixed(6)}${fresh}`, this.abort.signal);
    if (!piece) {
      this.pictures.add({ begin: at, end: this.film.duration + 1, bytes: 0 });
      return false;
    }
    await this.#add("video", piece.data, { begin: piece.begin, end: Math.max(piece.end, at + 0.01) });
    return true;
  }

  // Where a fragment ends; the browser cuts the film's last one.
  #end(index) {
    return Math.min((index + 1) * this.film.fragment_seconds, this.film.duration + TAIL / 2);
  }

  // The fragment to fetch next; null if there is none.
  #wanted() {
    const now = this.#now();
    const seconds = this.film.fragment_seconds;
    const neutral = settings.isNeutral();
    const after = Math.min(this.film.fragments, Math.ceil((now + AHEAD.audio) / seconds));
    const first = Math.floor(now / seconds + 1e-6);
    let missing = null;
    for (let index = first; index < after && missing === null; index += 1) {
      if (!this.sounds.at((index * seconds + this.#end(index)) / 2)) missing = index;
    }
    const better = this.sounds.list.find(
      (one) => one.plain && one.begin >= now + TOO_NEAR && this.has(one.index),
    );
    this.waits.audio = missing !== null && missing * seconds < now + 0.3;
    const full = this.sounds.bytesFrom(now) > MOST.audio;
    if (missing !== null && (!full || this.waits.audio)) {
      if (!better || missing * seconds < now + 3) return { index: missing, plain: neutral && !this.has(missing) };
    }
    return better ? { index: better.index, plain: false } : null;
  }

  async #sound() {
    this.sounds.check(this.audio);
    const wanted = this.#wanted();
    if (!wanted) return this.#finish();
    const { index, plain } = wanted;
    const piece = await api.bytes(`/a/${index}?${plain ? "plain=1" : "wait=2"}`, this.abort.signal);
    if (!piece) return false;
    const begin = index * this.film.fragment_seconds;
    const end = this.#end(index);
    if (this.sounds.at((begin + end) / 2)) this.replaced += 1;
    await this.#add("audio", piece.data, { begin, end, index, plain });
    this.dispatchEvent(new Event("sound"));
    return true;
  }

  async #add(kind, data, facts) {
    const track = this[kind];
    const pieces = kind === "audio" ? this.sounds : this.pictures;
    const { generation } = this;
    for (let tries = 0; ; tries += 1) {
      const rest = pieces.cut(this.element.currentTime - BEHIND);
      if (rest !== null) await track.remove(0, rest);
      try {
        await track.append(data);
        pieces.add({ ...facts, bytes: data.byteLength });
        return;
      } catch (error) {
        if (error.name !== "QuotaExceededError") throw error;
        // The browser has less room than we thought: what is far away goes, then time makes room.
        const far = pieces.list.filter((one) => one.begin > facts.end || one.end < this.#now());
        pieces.list = pieces.list.filter((one) => !far.includes(one));
        for (const one of far) await track.remove(one.begin, one.end);
        MOST[kind] = Math.max(MiB, Math.min(MOST[kind], 0.8 * pieces.bytesFrom(this.#now())));
        if (tries) await pause(500);
        if (generation !== this.generation) return;
      }
    }
  }

  // At the end of the film the element must know that no more will come.
  #finish() {
    const whole = this.film.duration - 0.01;
    const now = this.#now();
    const sounds = this.sounds.reach(now) >= whole;
    const pictures = !this.pictures || this.pictures.reach(now) >= whole;
    const idle = ![this.audio, this.video].some((track) => track?.buffer.updating);
    if (sounds && pictures && idle && this.source.readyState === "open") this.source.endOfStream();
    return false;
  }
}

export const feed = new Feed();
