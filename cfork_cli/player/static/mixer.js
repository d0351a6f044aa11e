// The sound: eight channels of the film's track, x + sum (g_i F_i - 1) stem_i, all of it Web Audio.
// F_i are the effects of a stem, the same arithmetic as in the exported film.

import { BANDS, settings, STEMS } from "./settings.js";

const SMOOTH = 0.008; // s; time constant of every change: no zipper noise, and soon there
const FADED = 0.1; // s; then a change is over

// One stem's way through its effects. A new one takes over from the old one when effects come or go.
export class Strip {
  constructor(context, input, output, stem, rooms) {
    this.context = context;
    this.dry = new GainNode(context, { gain: 0 });
    this.wet = new GainNode(context, { gain: 0 });
    this.filters = {};
    this.key = Strip.key(stem);
    this.nodes = [this.dry, this.wet];
    input.connect(this.dry).connect(output);
    if (settings.isTreated(stem)) {
      let at = input;
      for (const kind of Object.keys(BANDS).filter((name) => settings.stems[stem].bands[name])) {
        const { frequency, gain } = settings.stems[stem].bands[kind];
        // a Q of 1; that of a high-pass is in dB
        const Q = kind === "highpass" ? 0 : 1;
        const filter = new BiquadFilterNode(context, { type: kind, frequency, gain: gain ?? 0, Q });
        this.filters[kind] = filter;
        this.nodes.push(filter);
        at = at.connect(filter);
      }
      at.connect(this.wet);
      const { reverb } = settings.stems[stem];
      if (reverb && rooms[reverb.space]) {
        this.room = new ConvolverNode(context, { buffer: rooms[reverb.space], disableNormalization: true });
        this.roomLevel = new GainNode(context, { gain: 10 ** (reverb.wet / 20) });
        this.nodes.push(this.room, this.roomLevel);
        at.connect(this.room).connect(this.roomLevel).connect(this.wet);
      }
      this.wet.connect(output);
    }
    this.input = input;
    this.first = Object.values(this.filters)[0] ?? this.room;
  }

  // Effects that are there: while these stay, nothing has to be built anew.
  static key(stem) {
    const { bands, reverb } = settings.stems[stem];
    return `${Object.keys(BANDS).filter((kind) => bands[kind])} ${reverb?.space ?? ""}`;
  }

  static turn(param, value, now) {
    param.setTargetAtTime(value, now, SMOOTH);
  }

  follow(stem) {
    const now = this.context.currentTime;
    const factor = settings.factor(stem);
    const treated = settings.isTreated(stem);
    Strip.turn(this.dry.gain, treated ? -1 : factor - 1, now);
    Strip.turn(this.wet.gain, treated ? factor : 0, now);
    for (const [kind, filter] of Object.entries(this.filters)) {
      Strip.turn(filter.frequency, settings.stems[stem].bands[kind].frequency, now);
      Strip.turn(filter.gain, settings.stems[stem].bands[kind].gain ?? 0, now);
    }
    if (this.roomLevel) Strip.turn(this.roomLevel.gain, 10 ** (settings.stems[stem].reverb.wet / 20), now);
  }

  end() {
    const now = this.context.currentTime;
    Strip.turn(this.dry.gain, 0, now);
    Strip.turn(this.wet.gain, 0, now);
    setTimeout(() => {
      for (const node of [this.dry, this.wet, this.first].filter(Boolean)) {
        try {
          this.input.disconnect(node);
        } catch {
          // was not connected to this one
        }
      }
      for (const node of this.nodes) node.disconnect();
    }, 1000 * FADED);
  }
}

class Mixer {
  // headroom: samples of the track are stored divided by it.
  build(element, headroom) {
    const context = new AudioContext({ sampleRate: 48000, latencyHint: "interactive" });
    const splitter = new ChannelSplitterNode(context, { numberOfOutputs: 8 });
    context.createMediaElementSource(element).connect(splitter);
    const pair = (first) => {
      const merger = new ChannelMergerNode(context, { numberOfInputs: 2 });
      splitter.connect(merger, first, 0);
      splitter.connect(merger, first + 1, 1);
      return merger;
    };
    this.context = context;
    this.sum = new GainNode(context, { gain: headroom, channelCount: 2, channelCountMode: "explicit" });
    this.volume = new GainNode(context, { gain: 1 });
    pair(0).connect(this.sum);
    this.inputs = STEMS.map((_, number) => pair(2 + 2 * number));
    this.rooms = {};
    this.strips = this.inputs.map((input, number) => new Strip(context, input, this.sum, STEMS[number], this.rooms));
    this.sum.connect(this.volume).connect(context.destination);
    const sides = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
    this.sum.connect(sides);
    this.meters = [0, 1].map((side) => {
      const meter = new AnalyserNode(context, { fftSize: 4096 });
      sides.connect(meter, side);
      return meter;
    });
    this.window = new Float32Array(4096);
    settings.addEventListener("change", () => this.follow());
    this.follow();
  }

  follow() {
    STEMS.forEach((stem, number) => {
      if (Strip.key(stem) !== this.strips[number].key) {
        this.strips[number].end();
        this.strips[number] = new Strip(this.context, this.inputs[number], this.sum, stem, this.rooms);
      }
      this.strips[number].follow(stem);
    });
  }

  // An impulse response: left, then right.
  addRoom(space, samples) {
    const length = samples.length / 2;
    const buffer = new AudioBuffer({ length, numberOfChannels: 2, sampleRate: 48000 });
    buffer.copyToChannel(samples.subarray(0, length), 0);
    buffer.copyToChannel(samples.subarray(length), 1);
    this.rooms[space] = buffer;
    this.strips.forEach((strip) => (strip.key = strip.room ? strip.key : "")); // those that wait for it are built anew
    this.follow();
  }

  setVolume(volume) {
    this.volume.gain.setTargetAtTime(volume, this.context.currentTime, SMOOTH);
  }

  // The largest magnitude of the last moment; 1 is full scale.
  peak() {
    let most = 0;
    for (const meter of this.meters) {
      meter.getFloatTimeDomainData(this.window);
      for (const sample of this.window) most = Math.max(most, Math.abs(sample));
    }
    return most;
  }
}

export const mixer = new Mixer();
