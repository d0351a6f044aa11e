// The three sliders with mute, solo and tone.

import { BANDS, dB, HIGHEST, LOWEST, settings, STEMS } from "./settings.js";

const NAMES = { dialogue: "Dialogue", music: "Music", effects: "Effects" };
const MUTE = LOWEST - 0.5; // the slider's lowest place
const $ = (id) => document.getElementById(id);

// With tone: whether the film can be exported with effects.
export function build({ tone }) {
  STEMS.forEach((stem, number) => {
    const strip = $("strip").content.cloneNode(true).firstElementChild;
    const find = (name) => strip.querySelector(`.${name}`);
    strip.id = stem;
    strip.setAttribute("aria-label", NAMES[stem]);
    strip.querySelector("h2 use").setAttribute("href", `#i-${stem}`);
    find("name").textContent = NAMES[stem];
    find("gain").setAttribute("aria-label", NAMES[stem]);
    find("mute").setAttribute("aria-label", `Mute ${stem}`);
    find("mute").title = `Mute (${number + 1})`;
    find("solo").setAttribute("aria-label", `Solo ${stem}`);
    find("solo").title = `Solo (shift + ${number + 1})`;
    find("tone").setAttribute("aria-label", `Sound of ${stem}`);
    find("tone").title = "Equalizer and reverb";
    find("tone").hidden = !tone;
    find("gain").addEventListener("input", (event) => {
      let gain = parseFloat(event.target.value);
      if (Math.abs(gain) < 0.5) gain = 0;
      settings.set(stem, { gain, mute: false });
    });
    find("gain").addEventListener("dblclick", () => settings.set(stem, { gain: 0, mute: false }));
    find("mute").addEventListener("click", () => toggle(stem, "mute"));
    find("solo").addEventListener("click", () => toggle(stem, "solo"));
    find("tone").addEventListener("click", () => open(stem));
    $("stems").append(strip);
  });
  settings.addEventListener("change", show);
  show();
  watchTone();
}

export function toggle(stem, what) {
  settings.set(stem, { [what]: !settings.stems[stem][what] });
}

function show() {
  for (const stem of STEMS) {
    const { gain, mute, solo } = settings.stems[stem];
    const strip = $(stem);
    const slider = strip.querySelector(".gain");
    const heard = settings.gain(stem);
    slider.value = Math.max(MUTE, gain);
    slider.style.setProperty("--at", (Math.max(MUTE, gain) - MUTE) / (HIGHEST - MUTE));
    slider.setAttribute("aria-valuetext", dB(gain) + (heard === null && gain >= LOWEST ? ", silent now" : ""));
    strip.querySelector(".value").textContent = dB(heard);
    strip.classList.toggle("silent", heard === null);
    strip.querySelector(".mute").setAttribute("aria-pressed", mute);
    strip.querySelector(".solo").setAttribute("aria-pressed", solo);
    strip.querySelector(".tone").setAttribute("aria-pressed", settings.isTreated(stem));
  }
}

// ---- equalizer and reverb of one stem ----

let opened = null;

function open(stem) {
  opened = stem;
  $("tone-title").textContent = `Sound of ${stem}`;
  showTone();
  $("tone").showModal();
}

function showTone() {
  if (!opened) return;
  const { bands, reverb } = settings.stems[opened];
  for (const input of $("tone").querySelectorAll("[data-band]")) {
    const band = bands[input.dataset.band];
    const isCut = input.dataset.band === "highpass";
    input.value = isCut ? (band?.frequency ?? 20) : (band?.gain ?? 0);
    const words = isCut ? (band ? `${band.frequency} Hz` : "off") : dB(band?.gain ?? 0);
    input.nextElementSibling.textContent = words;
    input.setAttribute("aria-valuetext", words);
  }
  $("space").value = reverb?.space ?? "";
  $("wet").value = reverb?.wet ?? -12;
  $("wet").disabled = !reverb;
  $("wet").nextElementSibling.textContent = reverb ? dB(reverb.wet) : "";
  $("wet").setAttribute("aria-valuetext", reverb ? dB(reverb.wet) : "off");
}

function watchTone() {
  settings.addEventListener("change", showTone);
  for (const input of $("tone").querySelectorAll("[data-band]")) {
    input.addEventListener("input", () => {
      const kind = input.dataset.band;
      const value = parseFloat(input.value);
      const frequency = settings.stems[opened].bands[kind]?.frequency ?? BANDS[kind].frequency;
      if (kind === "highpass") settings.setBand(opened, kind, value > 20 ? { frequency: value } : null);
      else settings.setBand(opened, kind, value ? { frequency, gain: value } : null);
    });
  }
  const reverb = () => {
    const space = $("space").value;
    settings.set(opened, { reverb: space ? { space, wet: parseFloat($("wet").value) } : null });
  };
  $("space").addEventListener("change", reverb);
  $("wet").addEventListener("input", reverb);
  $("flat").addEventListener("click", () => settings.set(opened, { bands: {}, reverb: null }));
}
