// Talk with the server of `cfork play`: JSON both ways, and one place that knows whether it is still there.

export const page = crypto.randomUUID();
export const link = new EventTarget(); // "gone" and "back"
let isGone = false;
let failed = 0; // when a request did last

// An answer to what was asked before another request failed says nothing of now.
function heard(there, asked) {
  if (isGone === !there || (there && asked < failed)) return;
  isGone = !there;
  link.dispatchEvent(new Event(there ? "back" : "gone"));
}

async function request(path, options) {
  const asked = performance.now();
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name !== "AbortError") {
      failed = performance.now();
      heard(false, asked);
    }
    throw error;
  }
  heard(true, asked);
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Error(told.error || `the answer was ${answer.status}`);
}

export async function get(path) {
  return (await request(path)).json();
}

export async function send(path, body, method = "POST") {
  const options = { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}) };
  const answer = await request(path, options);
  return answer.status === 204 ? null : answer.json();
}

// Bytes with their begin and end in seconds; null where nothing is there (yet).
export async function bytes(path, signal) {
  const answer = await request(path, { signal });
  if (answer.status === 204) return null;
  const begin = parseFloat(answer.headers.get("X-Start"));
  const end = parseFloat(answer.headers.get("X-End"));
  return { data: await answer.arrayBuffer(), begin, end };
}

export function leave() {
  const body = JSON.stringify({ closing: true, page });
  const headers = { "Content-Type": "application/json" };
  fetch("/api/quit", { method: "POST", headers, body, keepalive: true }).catch(() => {});
}
