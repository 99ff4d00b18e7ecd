// The notices at the top of a page: what a lab has changed for a time. Each counts down, and
// a page of the lab asks now and then what has begun and what has ended.

/** Between two questions, in ms; after each failure twice as long, up to the second one. */
const PAUSE = 3000;
const LONGEST = 60_000;
/** The most notices of a page. */
const MOST = 40;

/** What is said of a notice that ends in `ms`. */
export function ending(ms) {
  return ms > 0 ? `It ends in ${Math.ceil(ms / 1000)}\u00a0s.` : "It has ended.";
}

/** The notices in what the lab has answered: texts, and links to http alone. */
export function noticesOf(said) {
  const list = Array.isArray(said?.notices) ? said.notices : [];
  const isNotice = (one) => typeof one?.text === "string" && Number.isFinite(one.remaining_ms) && /^(https?:\/)?\/[^/]/.test(one.href);
  return list.filter(isNotice).slice(0, MOST);
}

/**
 * Asks again and again: not while the page is out of sight, and less and less often while
 * nobody answers. `ask()` returns the notices, `show(list)` shows them, `isSeen()` says whether
 * the page is in sight, `wait(run, ms)` calls `run` later.
 */
export function watch({ ask, show, isSeen, wait }) {
  let pause = PAUSE;
  const next = async () => {
    if (isSeen()) {
      try {
        show(noticesOf(await ask()));
        pause = PAUSE;
      } catch {
        pause = Math.min(LONGEST, pause * 2);
      }
    }
    wait(next, pause);
  };
  wait(next, pause);
}

/** The notices in the element `place`. */
class Notices {
  constructor(place) {
    this.place = place;
    this.read([...place.children].map((row) => Number(row.dataset.remaining)));
    this.print = printOf([...place.children].map((row) => ({ text: row.firstElementChild.textContent, href: row.querySelector("a").getAttribute("href") })));
    setInterval(() => this.tick(), 250);
  }

  /** The rows of the page, and when each ends. */
  read(remaining) {
    const now = performance.now();
    this.rows = [...this.place.children].map((row, at) => ({ line: row.querySelector(".ends"), end: now + remaining[at] }));
  }

  tick() {
    const now = performance.now();
    for (const { line, end } of this.rows) {
      const text = ending(end - now);
      if (line.textContent !== text) line.textContent = text;
    }
  }

  show(list) {
    const print = printOf(list);
    // The same notices stay, so that nothing is announced twice.
    if (print !== this.print) this.place.replaceChildren(...list.map(row));
    this.print = print;
    this.place.hidden = list.length === 0;
    this.read(list.map((one) => one.remaining_ms));
    this.tick();
  }
}

/** What tells one list of notices from another. */
function printOf(list) {
  return JSON.stringify(list.map(({ text, href }) => [text, href]));
}

/** The line of a notice, as the server writes it. */
function row({ text, remaining_ms: remaining, href }) {
  const make = (name, className, content) => Object.assign(document.createElement(name), { className, textContent: content });
  const ends = make("span", "ends", ending(remaining));
  ends.setAttribute("role", "timer");
  const line = document.createElement("p");
  line.append(make("span", "", text), " ", ends, " ", Object.assign(make("a", "", "Change it"), { href }));
  return line;
}

async function asked(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

const place = globalThis.document?.getElementById("notices");
if (place) {
  const notices = new Notices(place);
  const url = place.dataset.watch;
  if (url) watch({ ask: () => asked(url), show: (list) => notices.show(list), isSeen: () => !document.hidden, wait: setTimeout });
}
