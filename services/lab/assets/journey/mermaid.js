// The diagram as Mermaid text, in the form of the sequence diagrams of textbooks.

import { label } from "./parties.js";
import { groupTitle, lines } from "./wording.js";

/** Characters with a meaning in Mermaid, as its own entities. */
const ENTITIES = { "#": "#35;", ";": "#59;", "<": "#lt;", ">": "#gt;", "%": "#37;", "{": "#123;", "}": "#125;", ":": "#58;", "`": "#96;", "\\": "#92;", '"': "#quot;", "&": "#amp;" };

function escape(text) {
  return String(text)
    .replace(/[\u0000-\u001f\u007f\u2028\u2029]+/g, " ")
    .replace(/[#;<>%{}:`\\"&]/g, (character) => ENTITIES[character])
    // The word closes a block.
    .replace(/\bend\b/gi, (word) => `#${word.charCodeAt(0)};${word.slice(1)}`);
}

function text(message) {
  return lines(message).map(escape).join("<br/>");
}

const ARROWS = { request: "->>", user: "->>", store: "->>", answer: "-->>" };

/** The Mermaid text of `arranged`. */
export function mermaid(arranged) {
  const ids = new Map(arranged.participants.map((party, at) => [party, `p${at + 1}`]));
  const written = ["sequenceDiagram", "    autonumber"];
  for (const [party, id] of ids) written.push(`    ${party === "user" ? "actor" : "participant"} ${id} as ${escape(label(party))}`);
  const all = [...ids.values()];
  const across = all.length > 1 ? `${all[0]},${all.at(-1)}` : all[0];
  for (const group of arranged.groups) {
    written.push("", `    Note over ${across}: ${escape(groupTitle(group))}`);
    let isFront = false;
    for (const message of arranged.messages.slice(group.from, group.to)) {
      if (isFront !== (message.channel === "front")) {
        written.push(isFront ? "    end" : "    rect rgb(255,200,200)");
        isFront = !isFront;
      }
      const [from, to] = [ids.get(message.from), ids.get(message.to)];
      if (message.kind === "note") written.push(`    Note over ${from}: ${text(message)}`);
      else written.push(`    ${from} ${ARROWS[message.kind]} ${to}: ${text(message)}`);
    }
    if (isFront) written.push("    end");
  }
  return `${written.join("\n")}\n`;
}
