// Sentences about errors, for people.

import * as oauth from "./oauth4webapi.js";
import { unavailability } from "./unavailable.js";

/** An error that this page itself found. */
export class PageError extends Error {}

const AT_THE_PROVIDER = {
  access_denied: "Access was denied at the provider. This page received no tokens.",
  login_required: "You have to sign in, but the request did not allow the provider to show its form.",
  temporarily_unavailable: "The provider is busy. Try again in a moment.",
  server_error: "The provider failed. Try again in a moment.",
};

const CHECKS = {
  "callback.check":
    "This response does not belong to the login that this tab began: its state or its issuer differs. " +
    "Somebody may have tried to sign you in to another account. The code was not used.",
  "callback.id_token_check": "The ID token is invalid, so you are not signed in.",
};

const REFUSED_GRANTS = {
  "callback.code_exchange": "The provider refused the code: it was used before, or has expired.",
  "tokens.refresh": "The provider no longer accepts this refresh token. Sign in again.",
  "tokens.replay":
    "The used refresh token is refused, and the provider has revoked every token of this login: " +
    "either its owner or a thief has used it twice, and the provider cannot tell which. The next refresh fails too.",
};

/** The sentence for `error`, which happened in the step `name`. */
export async function explain(error, name) {
  if (error instanceof PageError) return error.message;
  const unavailable = await unavailability(error);
  if (unavailable) return unavailable;
  if (error instanceof oauth.AuthorizationResponseError) {
    return AT_THE_PROVIDER[error.error] ?? `The provider refused the login (${error.error}).`;
  }
  if (error instanceof oauth.ResponseBodyError) {
    const known = error.error === "invalid_grant" && REFUSED_GRANTS[name];
    return known || `The provider refused this (${error.error}).`;
  }
  if (error instanceof oauth.WWWAuthenticateChallengeError) return challenged(error);
  if (error instanceof oauth.OperationProcessingError) {
    return `${CHECKS[name] ?? "The response violates the protocol."} (${error.message})`;
  }
  if (error.name === "TimeoutError") return "The request timed out. Try again in a moment.";
  // fetch's error if there is no response, or if CORS withholds it.
  if (error instanceof TypeError && error.code === undefined) {
    return "No response. The service may be down: try again in a moment.";
  }
  return `This page failed: ${error.message}`;
}

/** RFC 6750 §3.1. */
function challenged({ status, cause }) {
  // Each scheme that the server accepts has a challenge; one of them has the error.
  const code = cause?.map(({ parameters }) => parameters?.error).find(Boolean);
  if (code === "invalid_token") return "The access token is no longer accepted. Refresh it, then try again.";
  if (code === "insufficient_scope") return "The access token does not allow this.";
  return `Refused with ${status}.`;
}
