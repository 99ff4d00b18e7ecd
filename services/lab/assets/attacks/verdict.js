// How a run in this browser ended, from the steps of its journey. Pure.

const is = (step, [service, name]) => step.kind === "request" && step.service === service && step.name === name;

/** Watches one run. `watch` is what the page knows of the attack: attacker, signs, silence. */
export class Watcher {
  #watch;
  #steps = [];
  #begun = false;

  constructor(watch) {
    this.#watch = watch;
  }

  /** A run begins: what happened before it decides nothing. */
  begin() {
    this.#steps = [];
    this.#begun = true;
  }

  /** Takes a step of the journey. */
  see(step) {
    if (this.#begun && step.kind === "request") this.#steps.push(step);
  }

  /** The attacker's request of this run, or `undefined`. */
  get attacked() {
    const { attacker } = this.#watch;
    return attacker ? this.#steps.find((step) => is(step, attacker)) : undefined;
  }

  /** How the run ended: `{ succeeded, says }`, or `null` while that is open. */
  verdict() {
    const from = this.#watch.attacker ? this.attacked?.start : 0;
    if (from === undefined) return null;
    const after = this.#steps.filter((step) => step.start >= from);
    for (const step of after) {
      const sign = this.#watch.signs.find(
        (one) => is(step, [one.service, one.name]) && (one.refused ?? step.status >= 400) === step.status >= 400,
      );
      if (sign) return { succeeded: sign.succeeded, says: sign.says };
    }
    return null;
  }

  /** What it means that nothing follows the attacker's request, or `null`. */
  silence() {
    const { silence } = this.#watch;
    return silence && this.attacked ? { succeeded: false, says: silence } : null;
  }
}
