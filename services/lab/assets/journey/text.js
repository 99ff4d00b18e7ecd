// The text twin of the diagram: an ordered list of the same steps, for screen readers and
// narrow screens.

import { element } from "./dom.js";
import { label } from "./parties.js";
import { groupTitle, lines } from "./wording.js";

/** Words for what the diagram says by shape. */
const HOW = { request: "", answer: "answer", store: "", note: "inside", user: "" };

/** `text` in parts between which a line may break: before each parameter. */
function broken(text) {
  return text.split(/(?=[?&])/).flatMap((part, at) => (at === 0 ? [part] : [element("wbr", ""), part]));
}

function entry(message, onOpen) {
  const [first, ...rest] = lines(message);
  const way = message.from === message.to ? label(message.from) : `${label(message.from)} → ${label(message.to)}`;
  const words = [way, HOW[message.kind], message.failed ? "failed" : ""].filter(Boolean).join(", ");
  const line = element(
    "button", `line is-${message.channel} ${message.failed ? "is-failed" : ""}`,
    element("span", "number", message.number === null ? "" : String(message.number)),
    element("span", "line-text", element("span", "way", words), element("span", message.kind === "note" ? "label" : "label mono", ...broken(first)),
      ...rest.map((text) => element("span", message.kind === "note" ? "rest" : "rest mono", text))),
  );
  line.type = "button";
  line.addEventListener("click", () => onOpen(message.key));
  return line;
}

export class Twin {
  constructor(place, { onOpen }) {
    this.place = place;
    this.onOpen = onOpen;
    this.entries = new Map();
  }

  /** Shows `arranged`, and keeps the elements of what has not changed. */
  show(arranged) {
    const kept = new Map();
    const wanted = [];
    const keep = (key, print, make) => {
      const old = this.entries.get(key);
      const one = old?.print === print ? old : { print, item: make() };
      kept.set(key, one);
      wanted.push(one.item);
    };
    for (const group of arranged.groups) {
      const title = groupTitle(group);
      keep(group.key, title, () => element("li", "twin-title", element("h2", "", title)));
      for (const message of arranged.messages.slice(group.from, group.to)) {
        const print = JSON.stringify([message.number, message.from, message.to, message.failed, lines(message)]);
        keep(message.key, print, () => element("li", "", entry(message, this.onOpen)));
      }
    }
    this.entries = kept;
    wanted.forEach((item, at) => {
      if (this.place.children[at] !== item) this.place.insertBefore(item, this.place.children[at] ?? null);
    });
    while (this.place.children.length > wanted.length) this.place.lastElementChild.remove();
  }

  /** Whether Tab reaches the entries: not while the diagram is what is seen. */
  reachable(yes) {
    this.place.classList.toggle("unseen", !yes);
    for (const line of this.place.querySelectorAll("button")) line.tabIndex = yes ? 0 : -1;
  }

  focus(key) {
    const line = this.entries.get(key)?.item.querySelector("button");
    line?.focus();
  }
}
