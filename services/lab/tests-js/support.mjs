// What the tests share.

import { arrange } from "../assets/journey/steps.js";
import { oneLine } from "../assets/journey/wording.js";

/** The messages as text: `number from → to: label`, notes without a number. */
export function written(raw) {
  return arrange(raw).messages.map((one) => `${one.number ?? "-"} ${one.from} → ${one.to}: ${oneLine(one)}`);
}

/** A step with only what a test needs. */
export function step(more) {
  return { seq: 1, trace: "t", span: "a", parent: null, start: 0, end: 10, kind: "check", service: "idp", from: "idp", to: "idp", name: "x", step: "", spec: "", outcome: "", status: null, request: [], response: [], attributes: {}, ...more };
}

/** All orders of `list`. */
export function permutations(list) {
  if (list.length < 2) return [list];
  return list.flatMap((one, at) => permutations([...list.slice(0, at), ...list.slice(at + 1)]).map((rest) => [one, ...rest]));
}
