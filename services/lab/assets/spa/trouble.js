// What went wrong, as a sentence for people.

import * as oauth from "./oauth4webapi.js";

/** Something that this page itself found wrong. */
export class Trouble extends Error {}

const AT_THE_PROVIDER = {
  access_denied: "The login was denied at the provider. Nothing was given to this page.",
  login_required: "The provider needs you to sign in, and was asked not to show its form.",
  temporarily_unavailable: "The provider is busy. Try again in a moment.",
  server_error: "The provider failed while it answered. Try again in a moment.",
};

const CHECKS = {
  "callback.check":
    "This answer does not belong to the login that this tab began: its state or its issuer is another. " +
    "Somebody may have tried to sign you in as somebody else. The code was not used.",
  "callback.id_token_check": "The ID token does not hold, so nobody is signed in.",
};

const REFUSED_GRANTS = {
  "callback.code_exchange": "The provider does not take this code: it was used before, or it is too old.",
  "tokens.refresh": "The provider does not take this refresh token any more. Sign in again.",
  "tokens.replay":
    "The used refresh token is refused, and with it the provider has ended all that came of this login: " +
    "either its owner or a thief has sent it twice, and the provider cannot tell who. The next refresh fails too.",
};

/** The sentence for `error`, which happened in the step `name`. */
export function explain(error, name) {
  if (error instanceof Trouble) return error.message;
  if (error instanceof oauth.AuthorizationResponseError) {
    return AT_THE_PROVIDER[error.error] ?? `The provider refused the login (${error.error}).`;
  }
  if (error instanceof oauth.ResponseBodyError) {
    const known = error.error === "invalid_grant" && REFUSED_GRANTS[name];
    return known || `The provider refused this (${error.error}).`;
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) return challenged(error);
  if (error instanceof oauth.OperationProcessingError) {
    return `${CHECKS[name] ?? "The answer is not what the protocol asks for."} (${error.message})`;
  }
  if (error.name === "TimeoutError") return "No answer came in time. Try again in a moment.";
  // How fetch says that nobody answered, or that CORS kept the answer from us.
  if (error instanceof TypeError && error.code === undefined) {
    return "No answer came. The service may be away: try again in a moment.";
  }
  return `This page failed: ${error.message}`;
}

/** RFC 6750 §3.1. */
function challenged({ status, cause }) {
  const code = cause?.[0]?.parameters?.error;
  if (code === "invalid_token") return "The access token is not taken any more. Refresh it, then try again.";
  if (code === "insufficient_scope") return "The access token does not allow this.";
  return `Refused with ${status}.`;
}
