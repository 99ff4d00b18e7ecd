// The calls of the page, each with its response below it. Without this file the links
// open the response as a page, and the forms post.

import { element } from "./dom.js";
import { cost } from "./cost.js";
import { request } from "./request.js";

const SIGN_IN = "/login?return_to=/";

function optionsOf(call) {
  if (call.dataset.call === "GET") return [call.getAttribute("href"), { method: "GET" }];
  const { item, quantity } = Object.fromEntries(new FormData(call));
  const body = JSON.stringify({ item, quantity: Number(quantity) });
  const headers = { "Content-Type": "application/json" };
  return [call.getAttribute("action"), { method: "POST", headers, body }];
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** What the user can do about a refusal; null if the response explains itself. */
function wayOn(response) {
  if (response.status === 401) {
    const link = element("a", "", "Sign in again");
    link.href = SIGN_IN;
    return element("p", "", "The session has ended. ", link);
  }
  if (response.status === 503) {
    const wait = Number(response.headers.get("Retry-After")) || 1;
    return element("p", "", `A service behind this page cannot be reached. You are still signed in: try again in ${wait} s.`);
  }
  return null;
}

function costLine(response) {
  const said = cost(response);
  return said && element("p", "small cost", element("strong", "", "Cost"), ` ${said}`);
}

function show(answer, ...parts) {
  answer.replaceChildren(...parts.filter(Boolean));
  answer.hidden = false;
}

/** The same call several times at once: the session renews its token once, for all of them. */
async function showMany(answer, path, options, times) {
  // Without this the browser would send one after the other, for its cache.
  const one = async () => (await request(path, { ...options, cache: "no-store" })).status;
  const started = performance.now();
  const statuses = await Promise.all(Array.from({ length: times }, one));
  const time = `${Math.round(performance.now() - started)} ms`;
  const counts = [...new Set(statuses)].map((status) => `${status}: ${statuses.filter((other) => other === status).length}`);
  const line = element("span", "answer-status", counts.join(", "));
  line.classList.toggle("refused", statuses.some((status) => status >= 400));
  show(answer, element("p", "answer-line", element("code", "", `${times} × ${options.method} ${path}`), line, element("span", "muted", time)));
}

async function run(call) {
  const answer = call.closest(".call").querySelector("[data-answer]");
  const button = call.matches("form") ? call.querySelector("button") : call;
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  const [path, options] = optionsOf(call);
  const times = Number(call.dataset.times ?? 1);
  const started = performance.now();
  try {
    if (times > 1) {
      await showMany(answer, path, options, times);
      return;
    }
    const response = await request(path, options);
    const text = await response.text();
    const time = `${Math.round(performance.now() - started)} ms`;
    const status = element("span", "answer-status", `${response.status} ${response.statusText}`);
    status.classList.toggle("refused", !response.ok);
    const line = element("p", "answer-line", element("code", "", `${options.method} ${path}`), status, element("span", "muted", time));
    const trace = element("p", "small muted", "Trace ", element("code", "", response.headers.get("Trace-Id") ?? "unknown"));
    show(answer, line, wayOn(response), costLine(response), element("pre", "", indented(text)), trace);
  } catch {
    show(answer, element("p", "note bad", `No answer from ${path}. Is the app still running?`));
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** Handles the calls of the page. */
export function takeOverCalls() {
  for (const call of document.querySelectorAll("[data-call]")) {
    call.addEventListener(call.matches("form") ? "submit" : "click", (event) => {
      // The user opens a new tab or window.
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      run(call);
    });
  }
}
