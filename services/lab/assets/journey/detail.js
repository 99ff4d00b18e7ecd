// What the panel of an arrow says, as plain data: facts, rule, parameters with their
// meaning, cookies, tokens. Pure; panel.js shows it.

import { fingerprint, publicValue } from "./items.js";
import { cookieAttributes, meaning } from "./meanings.js";
import { hasStore, label } from "./parties.js";
import { ruleOf, sectionOf } from "./rules.js";
import { ancestors, identity } from "./steps.js";
import { describeToken } from "./tokens.js";
import { commandWords, lines, requestLine } from "./wording.js";

const CHANNELS = {
  front: "Front channel: through the browser, visible to the user and to extensions",
  back: "Back channel: directly between two services",
  store: "Store: the service's own records",
  inside: "Inside the service",
};

const PLACES = [
  ["query", "Parameters in the address"],
  ["form", "Parameters in the form"],
  ["json", "Members of the JSON document"],
  ["header", "Headers"],
];

/** The most places that are named for one value. */
const MOST_PLACES = 6;

/** Where each fingerprint occurs: of items and of claims, in the order of the diagram. */
export function index(messages) {
  const found = new Map();
  const note = (print, message, name) => {
    if (print === null) return;
    if (!found.has(print)) found.set(print, []);
    found.get(print).push({ key: message.key, number: message.number, name });
  };
  for (const message of messages) {
    for (const item of message.items) {
      note(fingerprint(item), message, item.name);
      const claims = item.claims !== null && typeof item.claims === "object" ? item.claims : {};
      for (const [name, value] of Object.entries(claims)) note(fingerprint(value), message, `${item.name}.${name}`);
    }
  }
  return found;
}

/** The other steps with the value of `print`. */
function sameAs(found, print, message) {
  const others = (found.get(print) ?? []).filter((one) => one.key !== message.key && one.number !== null);
  const once = new Map(others.map((one) => [one.number, one]));
  return [...once.values()].slice(0, MOST_PLACES);
}

/** A duration in the unit that reads best. */
export function duration(micros) {
  if (!Number.isFinite(micros) || micros < 0) return null;
  if (micros < 1000) return `${Math.round(micros)}\u00a0µs`;
  if (micros < 1_000_000) return `${(micros / 1000).toFixed(micros < 10_000 ? 1 : 0)}\u00a0ms`;
  return `${(micros / 1_000_000).toFixed(1)}\u00a0s`;
}

function itemRow(item, message, found) {
  const print = fingerprint(item);
  return {
    name: String(item.name ?? ""), value: publicValue(item), print, size: Number.isFinite(item.size) ? item.size : null,
    meaning: meaning(item), same: print === null ? [] : sameAs(found, print, message),
  };
}

/** The commands of an arrow to a store, each with its time. */
function commandsOf({ commands = [] }) {
  const rows = commands.map((one) => ({
    name: commandWords(one), value: [duration(one.step.micros), failureOf(one.step)].filter(Boolean).join(", "), print: null, size: null, meaning: null, same: [],
  }));
  return { title: "Commands", rows };
}

const failureOf = (step) => (step.outcome === "ok" ? "" : step.outcome);

function sections(message, found) {
  const listed = PLACES.map(([place, title]) => ({
    title: message.kind === "answer" && place === "query" ? "Parameters of the redirect" : title,
    rows: message.items.filter((item) => item.place === place).map((item) => itemRow(item, message, found)),
  }));
  const cookies = message.items.filter((item) => item.place === "cookie").map((item) => ({
    ...itemRow(item, message, found), attributes: cookieAttributes(item.attributes),
  }));
  const sets = message.kind === "answer" ? "Cookies that the browser is to store" : "Cookies that the browser sent";
  return [commandsOf(message), ...listed, { title: sets, rows: cookies }].filter((section) => section.rows.length > 0);
}

/** What is written as a heading or elsewhere, so that it is no attribute of its own. */
const SAID = new Set(["sso.step", "sso.spec", "sso.from", "sso.to", "sso.outcome", "sso.service", "sso.store_commands"]);

/**
 * How many store commands the service of `step` sent because of it: what the service has
 * counted, or the commands below the step in the diagram; `null` for a service without a store.
 */
function storeCommands(step, messages) {
  if (Number.isFinite(step.store_commands)) return step.store_commands;
  if (step.kind !== "request" || !hasStore(step.service)) return null;
  const known = stepsOf(messages);
  const sent = messages.flatMap((message) => message.commands ?? []).map((command) => command.step);
  return sent.filter((command) => command.service === step.service && ancestors(command, known).includes(step)).length;
}

/** The steps of `messages` by identity. */
function stepsOf(messages) {
  const all = messages.flatMap((message) => [message.step, message.call, ...(message.commands ?? []).map((command) => command.step)]);
  return new Map(all.filter(Boolean).map((step) => [identity(step), step]));
}

function facts(message, messages) {
  const { step, call, kind } = message;
  const commands = storeCommands(step, messages);
  const [method, path] = /^[A-Z]+ \//.test(step.name) ? step.name.split(" ", 2) : [null, null];
  const both = call && call !== step ? call : null;
  const plain = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
  const rest = Object.entries({ ...both?.attributes, ...step.attributes }).filter(([name, value]) => !SAID.has(name) && value !== null);
  return [
    ["Method", method], ["Path", path],
    ["Call", path === null && (kind === "request" || kind === "answer") ? requestLine(step) : null],
    ["Status", Number.isInteger(step.status) ? String(step.status) : null],
    ["Outcome", step.outcome || null],
    ["Channel", CHANNELS[message.channel] ?? null],
    ["Took", duration(step.micros ?? step.end - step.start)],
    ["Took at the caller", both ? duration(both.micros ?? both.end - both.start) : null],
    ["Store commands", commands === null ? null : String(commands)],
    ...rest.slice(0, 20).map(([name, value]) => [name, plain(value).slice(0, 200)]),
    ["Span", `${both ? `${both.name}, ` : ""}${step.name || "unnamed"}`],
    ["Trace", step.trace || null],
  ].filter(([, value]) => value !== null);
}

/** The other half of the pair: the answer to a request, the request of an answer. */
function partner(message, messages) {
  const want = { request: "answer", answer: "request" }[message.kind];
  const other = want && messages.find((one) => one.kind === want && one.step === message.step);
  return other ? { key: other.key, number: other.number, kind: want } : null;
}

/** What a title says already is not said again. */
function rules(message) {
  const steps = message.call && message.call !== message.step ? [message.call, message.step] : [message.step];
  const [title] = lines(message);
  const all = steps.map((step) => ({ words: step.step === title ? "" : step.step, text: ruleOf(step), spec: sectionOf(step) }));
  return all.filter((one) => one.text || one.words || one.spec);
}

/** The lines of the label. A check's section stands at its rule. */
function titleOf(message) {
  const all = lines(message);
  return message.kind === "note" ? all.filter((line, at) => at === 0 || line !== message.step.spec) : all;
}

/** All that the panel says about `message`, one of `messages`. */
export function describe(message, messages, found = index(messages)) {
  const { from, to, number } = message;
  const way = from === to ? label(from) : `${label(from)} → ${label(to)}`;
  const tokens = message.items.filter((item) => item.place === "token" && item.claims);
  return {
    key: message.key, number, way, title: titleOf(message), channel: message.channel, failed: message.failed,
    rules: rules(message), facts: facts(message, messages), partner: partner(message, messages),
    note: message.kind === "user" ? "No span records the click itself: the browser's next request shows that it happened." : null,
    sections: sections(message, found),
    tokens: tokens.map((item) => ({
      ...describeToken(item, message, messages), same: fingerprint(item) ? sameAs(found, fingerprint(item), message) : [],
      size: Number.isFinite(item.size) ? item.size : null,
    })),
    opaque: message.items.filter((item) => item.place === "token" && !item.claims).map((item) => itemRow(item, message, found)),
  };
}
