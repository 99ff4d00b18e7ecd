// From raw steps, which arrive in any order, to an ordered list of messages: arrows,
// answers, store arrows and notes. Pure: the same steps give the same messages.

import { isFront, isStore, rank } from "./parties.js";

/** The most steps that a page keeps. */
export const MAX_STEPS = 5000;

/** A step waits this long for the one that caused it, whose span ends later, in µs. */
export const PATIENCE = 200_000;

/** Steps nested deeper than this are listed after the exchange, not inside it. */
const DEEPEST = 200;

/** What a person does so that the browser sends a request. */
const ACTIONS = {
  "GET /login": "login",
  "POST /sign-in": "password",
  "POST /device/sign-in": "password",
  "POST /consent": "consent",
  "POST /device": "device_code",
  "POST /device/answer": "device_answer",
  "POST /logout": "logout",
};

/** Both halves of a step's identity: a span's id is unique within its trace. */
export function identity(step) {
  return step.span ? `${step.trace ?? ""}/${step.span}` : `seq/${step.seq}`;
}

function parentOf(step) {
  return step.parent ? `${step.trace ?? ""}/${step.parent}` : null;
}

/** `raw` with the members that the rest relies on; `null` if it is no step at all. */
function whole(raw) {
  if (raw === null || typeof raw !== "object" || Array.isArray(raw)) return null;
  const number = (value) => (Number.isFinite(value) ? value : 0);
  const text = (value) => (typeof value === "string" ? value : "");
  const items = (list) => (Array.isArray(list) ? list.filter((item) => item !== null && typeof item === "object") : []);
  const start = number(raw.start);
  const service = text(raw.service) || text(raw.to) || "client";
  return {
    ...raw,
    seq: number(raw.seq), start, end: Math.max(start, number(raw.end)), service,
    kind: text(raw.kind) || "check", name: text(raw.name), step: text(raw.step), spec: text(raw.spec),
    outcome: text(raw.outcome), from: text(raw.from) || service, to: text(raw.to) || service,
    request: items(raw.request), response: items(raw.response),
    attributes: raw.attributes !== null && typeof raw.attributes === "object" ? raw.attributes : {},
  };
}

/** What caused `step`, as far as `known` has it, which finds a step by its identity: the next one first. */
export function ancestors(step, known) {
  const found = [];
  for (let at = known.get(parentOf(step)); at && found.length < DEEPEST && !found.includes(at); at = known.get(parentOf(at))) found.push(at);
  return found;
}

const byStart = (a, b) => a.start - b.start || b.end - a.end || a.seq - b.seq;

/** The steps by identity, each once: a reconnected stream repeats some. */
function indexed(raw) {
  const known = new Map();
  for (const one of raw) {
    const step = whole(one);
    if (step) known.set(identity(step), step);
  }
  return known;
}

/** Whether the step sends something to another participant. */
function calls(step) {
  return (step.kind === "call" || step.kind === "page") && step.from !== step.to;
}

/** Whether `step` starts an exchange of its own: the browser or a terminal does it. */
function isTop(step, parent) {
  if (!parent) return true;
  return isOutside(step) && !calls(parent);
}

/** Whether no service has caused the step: the browser or a terminal sends it, or a page does it. */
function isOutside(step) {
  return (step.kind === "request" || step.kind === "check") && (isFront(step.from) || step.from === "terminal");
}

/** Whether what caused this step has to arrive yet: then it would stand alone, and move. */
function isPending(step, parent, latest) {
  return step.parent && !parent && !isOutside(step) && latest - step.end < PATIENCE;
}

/** The exchanges, in order of their start: each is a list of steps that belong together. */
function exchangesOf(known, children, settled) {
  const latest = Math.max(0, ...[...known.values()].map((step) => step.end));
  const units = new Map();
  for (const step of known.values()) {
    const parent = known.get(parentOf(step));
    if (!isTop(step, parent)) {
      push(children, identity(parent), step);
    } else if (settled || !isPending(step, parent, latest)) {
      // What one caller did, whose own span is still open, stays together.
      const together = step.kind !== "request" && step.parent && !isOutside(step) ? `open ${parentOf(step)}` : identity(step);
      push(units, together, step);
    }
  }
  for (const list of [...units.values(), ...children.values()]) list.sort(byStart);
  return [...units.values()].sort((a, b) => byStart(a[0], b[0]));
}

function push(map, key, value) {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

/** Steps whose parents form a circle have no top. They come last, each on its own. */
function unreached(known, children, units) {
  const seen = new Set();
  const stack = units.flat();
  for (let step = stack.pop(); step; step = stack.pop()) {
    if (seen.has(step)) continue;
    seen.add(step);
    stack.push(...(children.get(identity(step)) ?? []));
  }
  return [...known.values()].filter((step) => step.parent && known.has(parentOf(step)) && !seen.has(step)).sort(byStart);
}

/** A request of a script is as direct as one of a server: it is in no address bar. */
function channel(step, from, to) {
  if (isStore(from) || isStore(to)) return "store";
  if (step.direct === true && from !== "user") return "back";
  return isFront(from) || isFront(to) ? "front" : "back";
}

/** A check that a weakness switched off has failed too. */
function failed(step) {
  return Boolean(step.attributes["sso.weakness"]) || (step.outcome !== "" && step.outcome !== "ok") || step.status >= 400;
}

/** The items of both ends of a call, each once; what the server saw comes first. */
function union(seen, sent) {
  const has = new Set(seen.map((item) => `${item.place} ${item.name}`));
  return [...seen, ...sent.filter((item) => !has.has(`${item.place} ${item.name}`))];
}

/** Writes messages in the order of the diagram. */
class Writer {
  constructor(children) {
    this.children = children;
    this.messages = [];
    this.done = new Set();
    this.depth = 0;
    this.deep = [];
  }

  /** A whole exchange. */
  exchange(steps) {
    this.begin = this.messages.length;
    for (const step of steps) this.write(step, null);
    for (let next = this.deep.pop(); next; next = this.deep.pop()) this.write(...next);
  }

  add(step, kind, from, to, more = {}) {
    this.messages.push({
      key: `${identity(more.call ?? step)} ${kind}`, kind, from, to, step, call: null,
      channel: kind === "note" ? "inside" : channel(step, from, to), items: [], failed: failed(step), number: null, ...more,
    });
  }

  /** `step` and all that it caused. `under` is the step that caused it. */
  write(step, under) {
    if (this.done.has(step)) return;
    this.done.add(step);
    if (calls(step)) this.call(step);
    else if (step.kind === "request") this.request(step, under);
    else if (step.kind === "store" && step.from !== step.to) this.store(step, under);
    else this.note(step);
  }

  /** A command to a store. Those that follow each other are one arrow. */
  store(step, under) {
    const last = this.messages.at(-1);
    const follows = this.messages.length > this.begin && last.kind === "store" && last.from === step.from && last.to === step.to;
    if (!follows) {
      this.add(step, "store", step.from, step.to, { commands: [{ step, under }] });
      return;
    }
    last.commands.push({ step, under });
    last.failed ||= failed(step);
  }

  inside(step, which = () => true) {
    this.depth += 1;
    for (const child of this.children.get(identity(step)) ?? []) {
      if (this.depth > DEEPEST) this.deep.push([child, step]);
      else if (which(child)) this.write(child, step);
    }
    this.depth -= 1;
  }

  note(step) {
    this.add(step, "note", step.from, step.from, { items: union(step.request, step.response) });
    this.inside(step);
  }

  /** A request as its server saw it: an arrow, what happened inside, the answer. */
  request(step, under) {
    // The server names no caller that it does not know; the parent's service is the caller.
    const from = under && !isFront(step.from) ? under.service : step.from;
    if (isFront(from)) this.action(step);
    this.pair(step, null, from, step.to);
  }

  pair(step, call, from, to) {
    const sent = call ? union(step.request, call.request) : step.request;
    const got = call ? union(step.response, call.response) : step.response;
    const both = { call, failed: failed(step) || (call !== null && failed(call)) };
    // The answer says that it failed, and the request was like any other.
    this.add(step, "request", from, to, { ...both, failed: false, items: sent });
    if (step !== call) this.inside(step);
    this.add(step, "answer", to, from, { ...both, items: got, sent });
  }

  /** A call, with the request that it caused. What else it caused stands before and after. */
  call(step) {
    const caused = this.children.get(identity(step)) ?? [];
    const requests = caused.filter((child) => child.kind === "request");
    const [first] = requests;
    const isBefore = (child) => first && child.kind !== "request" && child.start < first.start;
    this.inside(step, isBefore);
    // Of several (discovery, or a repeated attempt with a nonce), the last one is the call's own.
    const own = requests.filter((one) => !/^GET \/(jwks|\.well-known\/)/.test(one.name)).pop() ?? requests.at(-1);
    for (const request of requests) {
      this.done.add(request);
      if (request === own) this.pair(request, step, step.from, step.to);
      else this.pair(request, null, step.from, request.to);
    }
    if (!own) this.pair(step, step, step.from, step.to);
    this.inside(step);
  }

  /** What the user did, where the request itself shows it. */
  action(step) {
    const action = Object.hasOwn(ACTIONS, step.name) ? ACTIONS[step.name] : null;
    const header = (name) => step.request.find((item) => item.place === "header" && String(item.name).toLowerCase() === name);
    const told = header("sec-fetch-mode") || header("sec-fetch-site") || header("sec-fetch-dest");
    if (!action || (told && header("sec-fetch-user")?.value !== "?1")) return;
    this.add(step, "user", "user", "browser", { action, failed: false });
  }
}

/** The messages of each exchange, gathered: consecutive exchanges of one trace are a group. */
function grouped(units, writer) {
  const groups = [];
  const seen = new Set();
  for (const unit of units) {
    const from = writer.messages.length;
    writer.exchange(unit);
    if (writer.messages.length === from) continue;
    const trace = unit[0].trace ?? "";
    if (groups.at(-1)?.trace !== trace || trace === "") {
      groups.push({ key: `${identity(unit[0])} group`, trace, continued: seen.has(trace), first: unit[0], from });
      seen.add(trace);
    }
    groups.at(-1).to = writer.messages.length;
  }
  return groups;
}

/** The participants that occur, in the fixed order; those not known in order of appearance. */
function participantsOf(messages) {
  const all = new Set(messages.flatMap((message) => [message.from, message.to]));
  return [...all].sort((a, b) => rank(a) - rank(b));
}

/**
 * The messages, groups and participants of `raw`. With `settled`, nothing is waited for.
 */
export function arrange(raw, { settled = true } = {}) {
  const known = indexed(raw);
  const children = new Map();
  const units = exchangesOf(known, children, settled);
  const lost = unreached(known, children, units).map((step) => [step]);
  const writer = new Writer(children);
  const groups = grouped([...units, ...lost], writer);
  let number = 0;
  for (const message of writer.messages) if (message.kind !== "note") message.number = ++number;
  return { messages: writer.messages, groups, participants: participantsOf(writer.messages), arrows: number };
}

/** What the groups of `arranged` belong to, each once: a trace, with the first of its groups. */
export function partsOf(arranged) {
  const parts = new Map();
  for (const group of arranged.groups) {
    const id = group.trace || group.key;
    if (!parts.has(id)) parts.set(id, { id, group, number: arranged.messages[group.from].number });
  }
  return [...parts.values()];
}

/** Only the part `id` of `arranged`, with its numbers and without the columns of the others. */
export function part(arranged, id) {
  return only(arranged, arranged.groups.filter((one) => (one.trace || one.key) === id));
}

/** `arranged` in pieces of groups that follow each other, each with its own columns: at most `most`, unless one group has more. */
export function pieces(arranged, most) {
  const found = [];
  for (const group of arranged.groups) {
    const joined = [...(found.at(-1) ?? []), group];
    if (found.length > 0 && only(arranged, joined).participants.length <= most) found[found.length - 1] = joined;
    else found.push([group]);
  }
  return found.map((groups) => only(arranged, groups));
}

/** The groups `wanted` of `arranged` alone. */
function only(arranged, wanted) {
  const messages = [];
  const groups = [];
  for (const group of wanted) {
    const from = messages.length;
    messages.push(...arranged.messages.slice(group.from, group.to));
    groups.push({ ...group, from, to: messages.length });
  }
  return { messages, groups, participants: participantsOf(messages), arrows: messages.filter((one) => one.number !== null).length };
}
