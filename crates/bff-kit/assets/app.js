// Takes over the calls of the home page: without this file the links open the
// answer as a page of its own, and the forms post.
"use strict";

const SIGN_IN = "/login?return_to=/";

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function requestOf(call) {
  const headers = { "X-CSRF": "1", Accept: "application/json" };
  if (call.dataset.call === "GET") return [call.getAttribute("href"), { method: "GET", headers }];
  const { item, quantity } = Object.fromEntries(new FormData(call));
  headers["Content-Type"] = "application/json";
  const body = JSON.stringify({ item, quantity: Number(quantity) });
  return [call.getAttribute("action"), { method: "POST", headers, body }];
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** What the person can do about a refusal; null when the answer says it all. */
function wayOn(response) {
  if (response.status === 401) {
    const hint = element("p", "The session has ended. ");
    const link = element("a", "Sign in again");
    link.href = SIGN_IN;
    hint.append(link);
    return hint;
  }
  if (response.status === 503) {
    const wait = Number(response.headers.get("Retry-After")) || 1;
    return element("p", `Something behind this page is away. Your session is kept: try again in ${wait} s.`);
  }
  return null;
}

function show(answer, ...parts) {
  answer.replaceChildren(...parts.filter(Boolean));
  answer.hidden = false;
}

async function run(call) {
  const answer = call.closest(".call").querySelector("[data-answer]");
  const button = call.matches("form") ? call.querySelector("button") : call;
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  const [path, request] = requestOf(call);
  const started = performance.now();
  try {
    const response = await fetch(path, { ...request, credentials: "same-origin", redirect: "error" });
    const text = await response.text();
    const time = `${Math.round(performance.now() - started)} ms`;
    const line = element("p", undefined, "answer-line");
    const status = element("span", `${response.status} ${response.statusText}`, "answer-status");
    status.classList.toggle("refused", !response.ok);
    line.append(element("code", `${request.method} ${path}`), status, element("span", time, "muted"));
    const trace = element("p", "Trace ", "small muted");
    trace.append(element("code", response.headers.get("Trace-Id") ?? "unknown"));
    show(answer, line, wayOn(response), element("pre", indented(text)), trace);
  } catch {
    show(answer, element("p", `No answer from ${path}. Is the app still running?`, "note bad"));
  } finally {
    button.removeAttribute("aria-busy");
  }
}

for (const call of document.querySelectorAll("[data-call]")) {
  call.addEventListener(call.matches("form") ? "submit" : "click", (event) => {
    // A new tab or window is the person's choice.
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    run(call);
  });
}
