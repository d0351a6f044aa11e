// The page of `cfork play`: opens the film and ties its parts together.

import * as api from "./api.js";
import { build as buildExport } from "./exporting.js";
import { feed } from "./feed.js";
import { listen } from "./keys.js";
import { mixer } from "./mixer.js";
import { Overview } from "./overview.js";
import { settings } from "./settings.js";
import { build as buildStrips, toggle } from "./strips.js";

const $ = (id) => document.getElementById(id);
const film = $("film");
const KEPT = "cfork"; // what a reload finds again
const OVER_SHOWN = 3000; // ms

let facts;
let overview;
let state = { version: 0, done: [] };
let epoch = null;
let isGone = false;

// ---- time ----

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function spoken(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [
    [Math.floor(whole / 3600), "hour"],
    [Math.floor(whole / 60) % 60, "minute"],
    [whole % 60, "second"],
  ];
  const told = parts.filter(([count]) => count).map(([count, unit]) => `${count} ${unit}${count > 1 ? "s" : ""}`);
  return told.join(" ") || "0 seconds";
}

function place(seconds) {
  film.currentTime = Math.max(0, Math.min(seconds, facts.duration - 0.1));
  showTime();
}

function showTime() {
  const now = Math.min(film.currentTime, facts.duration);
  $("now").textContent = clock(now);
  $("head").style.setProperty("--at", now / facts.duration);
  if (document.activeElement !== $("seek") || !film.seeking) $("seek").value = now;
  $("seek").setAttribute("aria-valuetext", `${spoken(now)} of ${spoken(facts.duration)}`);
}

// ---- play ----

async function play() {
  if (!film.paused) return film.pause();
  if (film.ended || film.currentTime >= facts.duration - 0.2) place(0);
  await mixer.context.resume();
  await film.play().catch((error) => {
    if (error.name !== "AbortError") feed.problem = error.message;
  });
}

function showPlaying() {
  const paused = film.paused;
  $("play").setAttribute("aria-label", paused ? "Play" : "Pause");
  $("play").querySelector("use").setAttribute("href", paused ? "#i-play" : "#i-pause");
  if (!paused) $("start").hidden = true;
}

// ---- what is going on ----

function waitingFor() {
  if (feed.waits.audio && !settings.isNeutral()) return "Separating…";
  if (feed.waits.video) return "Loading the picture…";
  return feed.waits.audio ? "Loading the sound…" : "";
}

function showStatus() {
  const waits = film.readyState < 3 || film.seeking ? waitingFor() : "";
  $("waits").textContent = waits;
  $("waits").hidden = !waits;
  const alarm = isGone ? "cfork has ended. Start “cfork play” again to go on." : state.error || feed.problem;
  const speed = state.rate ? ` (${state.rate < 10 ? state.rate.toFixed(1) : Math.round(state.rate)} times real time)` : "";
  let words = alarm;
  if (!words && state.waiting) words = `Waiting: ${state.waiting}.`;
  if (!words && !feed.isWhole()) {
    words = settings.isNeutral()
      ? `The film plays as it is; the sliders follow as soon as this part is separated${speed}.`
      : `Separating this part of the film${speed}: the sliders are heard as soon as it is done.`;
  }
  words ||= state.working_on === null ? "Ready." : `Ready. Separating ahead${speed}.`;
  if ($("status").textContent !== words) $("status").textContent = words;
  $("status").classList.toggle("alarm", Boolean(alarm));
}

let over = 0;

function watchPeak() {
  const peak = mixer.peak();
  const now = performance.now();
  if (peak > 1) {
    over = now;
    $("lamp").textContent = `Over full scale by ${(20 * Math.log10(peak)).toFixed(1)} dB: the export is turned down there`;
  }
  $("lamp").hidden = now - over > OVER_SHOWN || !over;
}

// ---- the server ----

async function look() {
  const at = { t: film.currentTime, playing: !film.paused, page: api.page };
  await api.send("/api/at", at);
  const found = await api.get(`/api/state?since=${state.version ?? 0}`);
  if (epoch !== null && found.epoch !== epoch) {
    overview.clear();
    await feed.track();
  }
  epoch = found.epoch ?? null;
  const news = JSON.stringify(found.done) !== JSON.stringify(state.done) || found.levels?.length;
  state = found;
  feed.done = found.done;
  overview.done = found.done;
  overview.add(found.levels ?? []);
  if (news) {
    overview.draw();
    feed.wake?.();
  }
}

async function follow() {
  for (;;) {
    await look().catch((error) => {
      if (!(error instanceof TypeError)) state.error = error.message;
    });
    showStatus();
    await new Promise((resolve) => setTimeout(resolve, document.hidden || isGone ? 2000 : 500));
  }
}

// ---- choices ----

function options(select, list, label) {
  for (const one of list) select.add(new Option(label(one), one.name ?? one.index));
}

async function chooseSubtitles(index) {
  for (const old of film.querySelectorAll("track")) {
    URL.revokeObjectURL(old.src);
    old.remove();
  }
  if (index === "") return;
  const piece = await api.bytes(`/s/${index}`);
  const chosen = facts.subtitles.find((one) => String(one.index) === index);
  const track = document.createElement("track");
  track.kind = "subtitles";
  track.label = chosen.label;
  track.srclang = chosen.language || "und";
  track.src = URL.createObjectURL(new Blob([piece.data], { type: "text/vtt" }));
  film.append(track);
  track.track.mode = "showing";
}

function buildChoices() {
  options($("presets"), facts.presets ?? [], (one) => one.label || one.name);
  $("presets").addEventListener("change", () => {
    const preset = facts.presets.find((one) => one.name === $("presets").value);
    if (preset) settings.preset(preset);
  });
  $("reset").addEventListener("click", () => {
    settings.preset({});
    $("presets").value = "";
  });
  if (facts.tracks?.length > 1) {
    options($("tracks"), facts.tracks, (one) => one.label);
    $("tracks").value = facts.tracks.find((one) => one.current)?.index ?? 0;
    $("tracks").hidden = false;
    $("tracks").addEventListener("change", () => tell(api.send("/api/track", { audio: Number($("tracks").value) })));
  }
  if (facts.subtitles?.length) {
    $("subtitles").add(new Option("no subtitles", ""));
    options($("subtitles"), facts.subtitles, (one) => one.label);
    $("subtitles").hidden = false;
    $("subtitles").addEventListener("change", () => tell(chooseSubtitles($("subtitles").value)));
  }
}

function tell(work) {
  work.catch((error) => {
    feed.problem = error instanceof TypeError ? "cfork does not answer" : error.message;
    showStatus();
  });
}

let loud = 1;

function silence() {
  const volume = $("volume");
  if (parseFloat(volume.value) > 0) loud = volume.value;
  volume.value = parseFloat(volume.value) > 0 ? 0 : loud;
  mixer.setVolume(volume.value / 100);
}

function full() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => {});
}

// ---- what a reload finds again ----

function keep() {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ at: film.currentTime, stems: settings, name: facts.name }));
  } catch {
    // a browser that keeps nothing
  }
}

function kept() {
  try {
    const found = JSON.parse(sessionStorage.getItem(KEPT));
    return found?.name === facts.name ? found : null;
  } catch {
    return null;
  }
}

async function loadRooms() {
  for (const space of ["room", "hall"]) {
    const piece = await api.bytes(`/r/${space}`);
    if (piece) mixer.addRoom(space, new Float32Array(piece.data));
  }
}

async function open() {
  facts = await api.get("/api/film");
  document.title = `${facts.title || facts.name} – cfork`;
  $("title").textContent = facts.title || facts.name;
  $("length").textContent = clock(facts.duration);
  $("seek").max = facts.duration;
  $("seek").step = Math.min(1, facts.duration / 1000);
  if (!facts.video) {
    $("poster").textContent = facts.title || facts.name;
    $("poster").hidden = false;
  }
  const before = kept();
  if (before) settings.restore(before.stems);
  mixer.build(film, facts.full_scale_headroom ?? 2);
  if (facts.effects) loadRooms().catch(() => {});
  buildStrips({ tone: Boolean(facts.effects) });
  buildChoices();
  buildExport();
  overview = new Overview($("levels"), facts);

  film.addEventListener("timeupdate", showTime);
  for (const event of ["play", "pause", "playing"]) film.addEventListener(event, showPlaying);
  for (const event of ["waiting", "canplay", "seeking", "seeked", "stalled"]) film.addEventListener(event, showStatus);
  film.addEventListener("error", () => {
    feed.problem = `the browser cannot play this (${film.error?.message || "no reason given"})`;
  });
  film.addEventListener("ended", showPlaying);
  feed.addEventListener("sound", showStatus);
  for (const id of ["play", "start"]) $(id).addEventListener("click", play);
  film.addEventListener("click", play);
  film.addEventListener("dblclick", full);
  $("back").addEventListener("click", () => place(film.currentTime - 10));
  $("ahead").addEventListener("click", () => place(film.currentTime + 10));
  $("seek").addEventListener("input", () => place(parseFloat($("seek").value)));
  $("volume").addEventListener("input", () => mixer.setVolume($("volume").value / 100));
  $("full").addEventListener("click", full);
  $("ask").addEventListener("click", () => $("help").showModal());
  listen({ play, move: (by) => place(film.currentTime + by), place, toggle, silence, full });
  settings.addEventListener("change", () => {
    showStatus();
    keep();
  });
  api.link.addEventListener("gone", () => {
    isGone = true;
    $("export").disabled = true;
    showStatus();
  });
  api.link.addEventListener("back", () => {
    isGone = false;
    $("export").disabled = false;
    showStatus();
  });
  addEventListener("pagehide", () => {
    keep();
    api.leave();
  });
  setInterval(watchPeak, 60);
  setInterval(keep, 2000);

  await feed.open(film, facts);
  if (before) place(before.at);
  follow();
  document.documentElement.dataset.ready = "true";
}

open().catch((error) => {
  $("status").textContent = error instanceof TypeError ? "cfork does not answer." : error.message;
  $("status").classList.add("alarm");
});
