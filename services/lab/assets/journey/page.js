// The page of a journey: follows the stream or opens a recording, and shows the steps as
// a diagram, as a list, and one of them in the panel.

import { openBeside } from "./beside.js";
import { describe, index } from "./detail.js";
import { Drawing, writeLegend } from "./draw.js";
import { readRecording } from "./export.js";
import { follow, STATES } from "./feed.js";
import { listen } from "./keys.js";
import { layOut } from "./layout.js";
import { isAtEnd, windowMoves } from "./newest.js";
import { Panel } from "./panel.js";
import { Parts } from "./parts.js";
import { keepGood, wireCopies } from "./pass.js";
import { printIn } from "./print.js";
import { arrange, MAX_STEPS, PATIENCE } from "./steps.js";
import { takeAway } from "./take_away.js";
import { Twin } from "./text.js";

/** Steps that arrive together are drawn together, in ms. */
const GATHER = 60;

const at = (id) => document.getElementById(id);
const narrow = matchMedia("screen and (max-width: 48rem)");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const SAYS = {
  [STATES.connecting]: "Connecting…",
  [STATES.live]: "Live",
  [STATES.none]: "No journey yet",
  [STATES.gone]: "The journey is unknown",
  [STATES.ended]: "The journey has ended",
  [STATES.full]: "The journey has as many steps as fit",
};

/** What a reader does then. */
const TELLS = {
  [STATES.gone]: "The lab does not know this journey any more: it was restarted, or the journey has ended. The diagram gets no more arrows. Take it away, or begin a new journey.",
};

class Page {
  constructor() {
    this.root = at("journey");
    this.scroller = at("diagram");
    this.steps = new Map();
    this.arranged = arrange([]);
    this.shown = this.arranged;
    this.parts = new Parts(at("part"), () => this.draw());
    this.chosen = null;
    this.isGliding = false;
    this.asList = narrow.matches;
    this.drawing = new Drawing(this.scroller, { onOpen: (key) => this.choose(key, true) });
    this.twin = new Twin(at("twin"), { onOpen: (key) => this.choose(key, true) });
    this.panel = new Panel(at("detail"), { onGo: (key) => this.go(key), onClose: () => this.close() });
    writeLegend(at("legend"));
    this.wire();
    this.stop = this.begin();
    this.showAs(this.asList);
  }

  /** Follows this browser's journey, if it has one. Returns what ends that. */
  begin() {
    if (this.root.dataset.recorded === "true") return this.opened();
    if (this.root.dataset.started !== "true") {
      this.state(STATES.none);
      return () => {};
    }
    keepGood(document);
    return follow({ onStep: (step) => this.take(step), onState: (state) => this.state(state) });
  }

  /** Shows the recording that is in this page, if it has one. */
  opened() {
    const kept = document.querySelector('script[type="application/json"]');
    // The page is whole only after this.
    if (kept) queueMicrotask(() => {
      try {
        this.replay(readRecording(kept.textContent), startOf(kept.textContent));
      } catch (error) {
        this.say(error.message);
      }
    });
    return () => {};
  }

  wire() {
    for (const place of [this.scroller, at("twin")]) place.addEventListener("scrollend", () => {
      this.isGliding = false;
    });
    at("as-diagram").addEventListener("click", () => this.showAs(false));
    at("as-list").addEventListener("click", () => this.showAs(true));
    at("larger").addEventListener("click", () => this.larger());
    at("open-help").addEventListener("click", () => at("help").showModal());
    narrow.addEventListener("change", () => this.showAs(narrow.matches));
    for (const link of document.querySelectorAll("[data-beside]")) link.addEventListener("click", (event) => {
      if (event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey) openBeside(link.target);
    });
    takeAway({
      steps: () => [...this.steps.values()],
      settled: () => this.parts.shown(arrange([...this.steps.values()])),
      open: (steps, name) => this.replay(steps, name),
      say: (text) => this.say(text),
    });
    wireCopies(this.root, (text) => this.say(text));
    printIn(at("sheets"), () => this.shown);
    listen({
      larger: () => this.larger(),
      next: () => this.move(1),
      former: () => this.move(-1),
      help: () => at("help").showModal(),
      leave: () => (this.chosen === null ? this.larger(false) : this.close()),
    });
  }

  take(step) {
    const key = step.span ? `${step.trace ?? ""}/${step.span}` : `seq/${step.seq}`;
    if (this.steps.size >= MAX_STEPS && !this.steps.has(key)) return;
    this.steps.set(key, step);
    this.root.dispatchEvent(new CustomEvent("journey-step", { detail: step }));
    this.pending ??= setTimeout(() => this.render(false), GATHER);
    this.settling ??= setTimeout(() => this.render(true), PATIENCE / 1000);
  }

  render(settled) {
    clearTimeout(this.pending);
    this.pending = null;
    if (settled) {
      clearTimeout(this.settling);
      this.settling = null;
    }
    const follows = this.isGliding || isAtEnd(this.asList ? at("twin") : this.scroller);
    const wasEmpty = at("stage").hidden;
    this.arranged = arrange([...this.steps.values()], { settled });
    this.draw();
    const isEmpty = this.arranged.messages.length === 0;
    at("empty").hidden = !isEmpty;
    at("stage").hidden = isEmpty;
    at("count").textContent = isEmpty ? "" : `${this.arranged.arrows} arrows${this.steps.size >= MAX_STEPS ? `; only the first ${MAX_STEPS} steps are shown` : ""}`;
    if (follows && !isEmpty && this.chosen === null) this.toEnd(wasEmpty);
  }

  /** Shows the newest part. On its way there the diagram is not at its end yet. */
  toEnd(isFirst) {
    const hasFocus = document.hasFocus();
    // A window that is not in use may be drawn too rarely for a movement.
    const behavior = calm.matches || !hasFocus ? "auto" : "smooth";
    const place = this.asList ? at("twin") : this.scroller;
    this.isGliding = true;
    place.scrollTo({ top: place.scrollHeight, behavior });
    if (windowMoves({ isPart: this.root.dataset.part === "true", isFirst, hasFocus })) {
      at("stage").scrollIntoView({ block: narrow.matches ? "end" : "start", behavior });
    }
  }

  /** Draws the chosen part of what is known. */
  draw() {
    this.shown = this.parts.shown(this.arranged);
    this.drawing.show(layOut(this.shown));
    this.twin.show(this.shown);
    this.twin.reachable(this.asList);
    this.drawing.select(this.chosen);
  }

  state(state) {
    this.root.dataset.state = state;
    at("state").textContent = SAYS[state];
    if (!TELLS[state]) return;
    this.say(TELLS[state]);
    at("said").scrollIntoView({ block: "nearest" });
  }

  say(text) {
    at("said").textContent = text;
    at("said").hidden = text === "";
  }

  /** Shows the steps of a file in place of the stream. */
  replay(steps, name) {
    // A file that cannot be arranged leaves the page as it is.
    arrange(steps, { settled: true });
    this.stop();
    this.steps = new Map(steps.map((step, place) => [place, step]));
    this.close();
    this.root.dataset.state = "recording";
    at("state").textContent = `Recording: ${name}`;
    at("stage").hidden = true;
    this.render(true);
    this.isGliding = false;
    this.scroller.scrollTo({ top: 0 });
  }

  showAs(asList) {
    this.asList = asList;
    this.root.classList.toggle("as-list", asList);
    at("as-diagram").setAttribute("aria-pressed", String(!asList));
    at("as-list").setAttribute("aria-pressed", String(asList));
    this.twin.reachable(asList);
  }

  message(key) {
    return this.arranged.messages.find((message) => message.key === key);
  }

  choose(key, focus) {
    const message = this.message(key);
    if (!message) return;
    const { messages } = this.arranged;
    this.chosen = key;
    this.drawing.select(key);
    this.root.classList.add("has-detail");
    this.panel.show(describe(message, messages, index(messages)), { focus });
    // The stage is as high as the window, so that arrow and panel are in it together.
    if (!narrow.matches) at("stage").scrollIntoView({ block: "nearest" });
    if (!this.asList) this.drawing.reveal(key);
  }

  /** From the panel to another step, whose panel opens. */
  go(key) {
    if (!this.shown.messages.some((message) => message.key === key)) {
      this.parts.all();
      this.draw();
    }
    this.drawing.mark(key, false);
    this.choose(key, true);
  }

  /** The presenter's next or former step: at first the one in focus, or the first of all. */
  move(by) {
    const { messages } = this.shown;
    const from = this.chosen ?? this.drawing.focused();
    const now = messages.findIndex((message) => message.key === from);
    const next = this.chosen === null ? Math.max(0, now) : Math.min(messages.length - 1, Math.max(0, now + by));
    if (!messages[next]) return;
    this.drawing.mark(messages[next].key, false);
    this.choose(messages[next].key, false);
  }

  close() {
    const key = this.chosen;
    this.chosen = null;
    const had = at("detail").contains(document.activeElement);
    this.panel.hide();
    this.drawing.select(null);
    this.root.classList.remove("has-detail");
    if (key !== null && had) (this.asList ? this.twin : this.drawing).focus(key);
  }

  larger(on = !this.root.classList.contains("large")) {
    this.root.classList.toggle("large", on);
    document.body.classList.toggle("presents", on);
    at("larger").setAttribute("aria-pressed", String(on));
    if (on) document.documentElement.requestFullscreen?.().catch(() => {});
    else if (document.fullscreenElement) document.exitFullscreen?.().catch(() => {});
  }
}

/** When the recording `text` begins, as its name. */
function startOf(text) {
  const { started } = JSON.parse(text);
  const isTime = Number.isFinite(started) && Math.abs(started) < 8.64e18;
  return isTime ? `${new Date(started / 1000).toISOString().slice(0, 16).replace("T", " ")} UTC` : "of an unknown time";
}

new Page();
