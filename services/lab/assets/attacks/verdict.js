// How a run in this browser ended, from the steps of its journey. Pure.

/** How long after the attacker's request its effect may take, in µs. */
export const EFFECT = 4_000_000;

const is = (step, [service, name]) => step.service === service && step.name === name;

/** What decides a run: requests, and what a page reports of itself. */
const decides = (step) => step.kind === "request" || /^page\./.test(step.name);

/** Watches one run. `watch` is what the page knows of the attack: attacker, signs, silence. */
export class Watcher {
  #watch;
  #steps = [];
  #time;
  #isWeakened;

  /**
   * `time`: of a former run, `from` when and `until` when its steps began, in µs.
   * `isWeakened`: whether a defence is off in the run.
   */
  constructor(watch, { time = null, isWeakened = false } = {}) {
    this.#watch = watch;
    this.#time = time;
    this.#isWeakened = isWeakened;
  }

  /** A run begins at `from`, in µs: what happened before it decides nothing, whenever it arrives. */
  begin(from) {
    this.#steps = [];
    this.#time = { from, until: null };
  }

  /** Takes a step of the journey. */
  see(step) {
    if (!this.#time || !decides(step)) return;
    const { from, until } = this.#time;
    if (step.start >= from && step.start < (until ?? Infinity)) this.#steps.push(step);
  }

  /** The attacker's request of this run, or `undefined`. */
  get attacked() {
    const { attacker } = this.#watch;
    return attacker ? this.#steps.find((step) => is(step, attacker)) : undefined;
  }

  /** How the run ended: `{ succeeded, isBlocked, says }`, or `null` while that is open. */
  verdict() {
    const { attacker, signs, silence } = this.#watch;
    const from = attacker ? this.attacked?.start : 0;
    if (from === undefined) return null;
    // After a silence the run is over, whatever this browser does then.
    const until = silence ? from + EFFECT : Infinity;
    const after = this.#steps.filter((step) => step.start >= from && step.start < until);
    for (const step of after) {
      const sign = signs.find(
        (one) => is(step, [one.service, one.name]) && (one.refused ?? step.status >= 400) === step.status >= 400,
      );
      if (sign) return { succeeded: sign.succeeded, isBlocked: false, says: sign.says };
    }
    return null;
  }

  /** What it means that nothing follows the attacker's request, or `null`. */
  silence() {
    const { silence, blocked } = this.#watch;
    if (!silence || !this.attacked) return null;
    const isBlocked = this.#isWeakened && Boolean(blocked);
    return { succeeded: false, isBlocked, says: isBlocked ? blocked : silence };
  }
}
