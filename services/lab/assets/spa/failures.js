// What the lab has let fail, as the server of this page knows it.

/** The time limit of the question, in ms. */
const PATIENCE = 3000;

/** A sentence for each failure in force; none where the process is no lab, or does not answer. */
export async function failuresInForce(isLab, ask = (...all) => fetch(...all)) {
  if (!isLab) return [];
  try {
    const answer = await ask("/lab/failures", { signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) return [];
    const { in_force: sentences } = await answer.json();
    return Array.isArray(sentences) ? sentences.filter((text) => typeof text === "string") : [];
  } catch {
    return [];
  }
}
