// A service that is temporarily unavailable, in a sentence for people.

/** The most characters of a service's own sentence. */
const LONGEST = 300;

/** The sentence of the service itself (RFC 6749 §5.2, RFC 9457), or `""`. */
async function saidBy(response) {
  try {
    const { error_description: said, detail, title } = await response.clone().json();
    const sentence = [said, detail, title].find((text) => typeof text === "string" && text !== "");
    return sentence ? ` It says: ${sentence.slice(0, LONGEST)}` : "";
  } catch {
    return "";
  }
}

/**
 * The sentence for an error with an answer of 5xx as its cause, else `null`: the library takes
 * such an answer for one that violates the protocol.
 */
export async function unavailability(error) {
  const response = error?.cause;
  if (!(response instanceof Response) || response.status < 500) return null;
  const what = response.status === 503 ? "temporarily unavailable" : "failing";
  return `The service is ${what} (${response.status}). Try again in a moment.${await saidBy(response)}`;
}
