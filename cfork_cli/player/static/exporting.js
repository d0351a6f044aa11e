// Export: the film with what is set, written by the server; progress, time left, cancel, the file's path.

import * as api from "./api.js";
import { settings } from "./settings.js";

const $ = (id) => document.getElementById(id);
const LOOK = 500; // ms

let job = null;

export function build() {
  $("export").addEventListener("click", start);
  $("cancel").addEventListener("click", async () => {
    $("cancel").disabled = true;
    if (job !== null) await api.send(`/api/export/${job}`, null, "DELETE").catch(() => {});
  });
}

// notes: what the new film has lost, or has otherwise than one would think.
function tell(words, notes = []) {
  for (const [id, text] of [["result", words], ["notes", notes.join(" · ")]]) {
    $(id).textContent = text;
    $(id).hidden = !text;
  }
}

async function start() {
  $("export").disabled = true;
  $("cancel").disabled = false;
  tell("");
  try {
    const effects = settings.effects();
    const body = { gains: settings.gains(), ...(Object.keys(effects).length ? { effects } : {}) };
    job = (await api.send("/api/export", body)).id;
    show(0, null);
    $("job").hidden = false;
    await watch();
  } catch (error) {
    tell(`Not exported: ${error instanceof TypeError ? "cfork does not answer" : error.message}`);
  }
  job = null;
  $("job").hidden = true;
  $("export").disabled = false;
}

function show(share, left) {
  if (share === null) $("share").removeAttribute("value");
  else $("share").value = share;
  const percent = share === null ? "" : `${Math.floor(100 * share)} %`;
  $("left").textContent = left === null ? percent : `${percent}, ${spoken(left)} left`;
}

function spoken(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? `${Math.round(whole / 60)} min` : `${(whole / 3600).toFixed(1)} h`;
}

async function watch() {
  for (;;) {
    const { state, share, seconds_left: left, path, error, notes } = await api.get(`/api/export/${job}`);
    show(share ?? null, left ?? null);
    if (state === "done") return tell(`Written: ${path}`, notes);
    if (state === "cancelled") return tell("Cancelled: nothing was written.");
    if (state === "failed") throw new Error(error);
    await new Promise((resolve) => setTimeout(resolve, LOOK));
  }
}
