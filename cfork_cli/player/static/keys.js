// Keys, as players have them. What has the focus keeps the keys that it knows itself.

import { STEMS } from "./settings.js";

const $ = (id) => document.getElementById(id);

const OWN = [
  ["select, textarea, input:not([type=range], [type=checkbox])", /^/],
  ["input[type=range]", /^(Arrow.*|Home|End|Page.*)$/],
  ["button, summary, a[href], input[type=checkbox]", /^( |Enter)$/],
];

// What each key does: {name of the key: function}.
export function listen({ play, move, place, toggle, silence, full }) {
  const plain = {
    " ": play,
    k: play,
    j: () => move(-10),
    l: () => move(10),
    ArrowLeft: () => move(-5),
    ArrowRight: () => move(5),
    Home: () => place(0),
    End: () => place(Infinity),
    m: silence,
    f: full,
    "?": () => $("help").showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (!$("keys").checked || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    const focus = document.activeElement;
    if (OWN.some(([what, keys]) => focus?.matches(what) && keys.test(event.key))) return;
    const digit = /^Digit([123])$/.exec(event.code) ?? /^Numpad([123])$/.exec(event.code);
    const action = digit
      ? () => toggle(STEMS[digit[1] - 1], event.shiftKey ? "solo" : "mute")
      : plain[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || (event.repeat && !event.key.startsWith("Arrow") && !/[jl]/i.test(event.key))) return;
    event.preventDefault();
    action();
  });
}
