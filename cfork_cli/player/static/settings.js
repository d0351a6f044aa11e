// What is set on the desk: gains, mute, solo and effects of the three stems. No sound, no page; "change" tells both.

export const STEMS = ["dialogue", "music", "effects"];
export const LOWEST = -40; // dB; a slider below it is mute
export const HIGHEST = 12;
export const BANDS = {
  highpass: { frequency: 80 },
  lowshelf: { frequency: 120 },
  peaking: { frequency: 3000 },
  highshelf: { frequency: 8000 },
};

const plain = () => ({ gain: 0, mute: false, solo: false, bands: {}, reverb: null });

class Settings extends EventTarget {
  stems = Object.fromEntries(STEMS.map((stem) => [stem, plain()]));

  set(stem, values) {
    Object.assign(this.stems[stem], values);
    this.dispatchEvent(new Event("change"));
  }

  // A band of the equalizer: {frequency, gain}, or null for none.
  setBand(stem, kind, band) {
    const bands = { ...this.stems[stem].bands };
    if (band) bands[kind] = { ...BANDS[kind], ...band };
    else delete bands[kind];
    this.set(stem, { bands });
  }

  // dB that is heard and exported; null is mute.
  gain(stem) {
    const { gain, mute, solo } = this.stems[stem];
    const alone = STEMS.some((name) => this.stems[name].solo);
    return mute || (alone && !solo) || gain < LOWEST ? null : gain;
  }

  factor(stem) {
    const gain = this.gain(stem);
    return gain === null ? 0 : 10 ** (gain / 20);
  }

  isTreated(stem) {
    return Object.keys(this.stems[stem].bands).length > 0 || this.stems[stem].reverb !== null;
  }

  // Whether the film sounds as it is, so that no stem is needed.
  isNeutral() {
    return STEMS.every((stem) => this.gain(stem) === 0 && !this.isTreated(stem));
  }

  gains() {
    return Object.fromEntries(STEMS.map((stem) => [stem, this.gain(stem)]));
  }

  // In the words of presets: only stems that are treated.
  effects() {
    const found = {};
    for (const stem of STEMS.filter((name) => this.isTreated(name))) {
      const { bands, reverb } = this.stems[stem];
      found[stem] = {};
      const chain = Object.keys(BANDS).filter((kind) => bands[kind]);
      if (chain.length) found[stem].bands = chain.map((kind) => ({ kind, ...bands[kind] }));
      if (reverb) found[stem].reverb = `${reverb.space}:${reverb.wet}`;
    }
    return found;
  }

  preset({ gains = {}, effects = {} }) {
    for (const stem of STEMS) {
      const values = plain();
      if (gains[stem] === null) values.mute = true;
      else values.gain = Math.min(HIGHEST, gains[stem] ?? 0);
      for (const { kind, ...band } of effects[stem]?.bands ?? []) values.bands[kind] = band;
      const [space, wet] = (effects[stem]?.reverb ?? "").split(":");
      if (space) values.reverb = { space, wet: parseFloat(wet) || -12 };
      this.stems[stem] = values;
    }
    this.dispatchEvent(new Event("change"));
  }

  toJSON() {
    return this.stems;
  }

  restore(stems) {
    for (const stem of STEMS) this.stems[stem] = { ...plain(), ...stems?.[stem] };
    this.dispatchEvent(new Event("change"));
  }
}

export const settings = new Settings();

export function dB(gain) {
  if (gain === null || gain < LOWEST) return "mute";
  const rounded = Math.round(gain * 10) / 10;
  return `${rounded > 0 ? "+" : ""}${rounded} dB`.replace("-", "\u2212");
}
