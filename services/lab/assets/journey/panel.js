// The panel of an arrow: shows what detail.js says about it.

import { button, element } from "./dom.js";

const code = (text) => element("code", "", text);

/** A meaning with its section. */
function meant(meaning) {
  if (!meaning) return null;
  return element("p", "meaning", meaning.text, " ", meaning.section ? element("span", "section", meaning.section) : null);
}

export class Panel {
  /** `onGo(key)` is called for a step that the reader chooses, `onClose()` for the end. */
  constructor(place, { onGo, onClose }) {
    this.place = place;
    this.onGo = onGo;
    this.onClose = onClose;
    place.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.onClose();
    });
  }

  hide() {
    this.place.hidden = true;
    this.place.replaceChildren();
  }

  show(detail, { focus }) {
    this.place.hidden = false;
    this.place.className = `detail is-${detail.channel}`;
    const heading = element("h2", "", detail.number === null ? null : element("span", "number", String(detail.number)), detail.way);
    heading.tabIndex = -1;
    const close = button("Close", "plain small", this.onClose);
    this.place.replaceChildren(
      element("div", "detail-head", heading, close),
      element(
        "div", "detail-why",
        element("p", detail.channel === "inside" ? "said" : "said mono", ...detail.title.map((line) => element("span", "", line))),
        detail.note ? element("p", "small muted", detail.note) : null,
        ...detail.rules.map(ruleOf),
      ),
      element(
        "div", "detail-what",
        ...this.tokens(detail),
        ...detail.sections.map((section) => this.section(section)),
        detail.opaque.length > 0 ? this.section({ title: "Tokens", rows: detail.opaque }) : null,
        this.facts(detail),
      ),
    );
    this.place.scrollTop = 0;
    if (focus) heading.focus({ preventScroll: true });
  }

  /** "The same value as in step 5", each step a button. */
  same(places) {
    if (places.length === 0) return null;
    const links = places.flatMap(({ key, number, name }, at) => [
      at === 0 ? "" : ", ",
      button(`step ${number}`, "go", () => this.onGo(key)),
      ` (${name})`,
    ]);
    return element("p", "same", "The same value as in ", ...links);
  }

  section({ title, rows }) {
    const list = element("dl", "items");
    for (const row of rows) {
      const value = row.value === null ? hidden(row) : code(row.value);
      list.append(
        element("dt", "", code(row.name)),
        element("dd", "", element("p", "value", value), attributes(row.attributes), this.same(row.same), meant(row.meaning)),
      );
    }
    return element("section", "", element("h3", "", title), list);
  }

  tokens(detail) {
    return detail.tokens.map((token) => {
      const size = token.size === null ? "" : `, ${token.size}\u00a0bytes`;
      return element(
        "section", "",
        element("h3", "", code(token.name), " decoded", element("span", "muted small", size)),
        this.same(token.same),
        claims(token),
        token.header.length > 0 ? headerOf(token.header) : null,
      );
    });
  }

  facts(detail) {
    const list = element("dl", "facts small");
    for (const [name, value] of detail.facts) list.append(element("dt", "", name), element("dd", "", value));
    const { partner } = detail;
    if (partner) {
      const go = button(`step ${partner.number}`, "go", () => this.onGo(partner.key));
      list.append(element("dt", "", partner.kind === "answer" ? "Answered in" : "Answers"), element("dd", "", go));
    }
    return element("section", "", element("h3", "", "This step"), list);
  }
}

/** A rule: its title, the sentence, and in its own line at the end the section. */
function ruleOf({ words, text, spec }) {
  return element(
    "div", "rule",
    words ? element("p", "", element("strong", "", words)) : null,
    text ? element("p", "", text) : null,
    spec ? element("p", "section", spec) : null,
  );
}

/** A value that is not shown: its fingerprint and its size. */
function hidden({ print, size }) {
  const parts = [print === null ? "not shown" : `●${print}`, size === null ? "" : `, ${size}\u00a0bytes`];
  return element("span", "", code(parts[0]), parts[1]);
}

function attributes(list) {
  if (!list || list.length === 0) return null;
  const items = list.map(({ attribute, text }) => element("li", "", code(attribute), text ? ` ${text}` : ""));
  return element("ul", "attributes", ...items);
}

/** The claims; with the token before beside them where there is one. */
function claims({ former, rows }) {
  const [cells, names] = former
    ? [(row) => [row.before, row.now], [`Before${former.number === null ? "" : `, step ${former.number}`}: ${former.name}`, "Now"]]
    : [(row) => [row.now], ["Value"]];
  const heads = ["Claim", ...names].map((text) => {
    const head = element("th", "", text);
    head.scope = "col";
    return head;
  });
  const body = rows.flatMap((row) => claimRows(row, cells(row)));
  const table = element("table", former ? "claims two" : "claims", element("thead", "", element("tr", "", ...heads)), element("tbody", "", ...body));
  const changed = rows.filter((row) => row.changed).map((row) => row.name);
  const summary = former ? element("p", "", "Changed: ", code(changed.join(", ") || "nothing")) : null;
  return element("div", "token", summary, table);
}

/** `text` in parts between which a line may break: after the separators of addresses. */
function breakable(text) {
  return text.split(/(?<=[/,](?![/,]))/).flatMap((part, at) => (at === 0 ? [part] : [element("wbr", ""), part]));
}

/** The values of a claim, and below them what it is for. */
function claimRows(row, values) {
  const name = element("th", "", code(row.name), row.changed ? element("span", "changed", "changed") : null);
  name.scope = "row";
  const cells = values.map((text) => element("td", "", text === null ? element("span", "muted", "absent") : element("code", "", ...breakable(text))));
  const first = element("tr", row.changed ? "is-changed" : "", name, ...cells);
  if (!row.meaning) return [first];
  name.rowSpan = 2;
  const why = element("td", "", meant(row.meaning));
  why.colSpan = values.length;
  return [first, element("tr", row.changed ? "why is-changed" : "why", why)];
}

function headerOf(rows) {
  const list = element("dl", "items");
  for (const row of rows) list.append(element("dt", "", code(row.name)), element("dd", "", element("p", "value", code(row.value ?? "")), meant(row.meaning)));
  return element("div", "", element("p", "small muted", "Its header"), list);
}
