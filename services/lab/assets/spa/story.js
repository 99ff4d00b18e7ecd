// The list of steps: shows each step of the login with its participants, its request,
// its response, and the reason for it.

import { element, facts } from "./dom.js";

/** The participants: the text and the colour of the badge. */
const WHO = {
  user: ["You", ""],
  spa: ["This page", "of-spa"],
  browser: ["Browser", ""],
  idp: ["Identity provider", "of-idp"],
  api: ["API-1", "of-api-1"],
};

const INSIDE = ["inside", "inside this page"];
const FRONT = ["front", "front channel: visible in the address bar"];
const BACK = ["back", "back channel: a direct request"];

/** Of each step: the participants, the channel, the title, the reason, and the label of its results. */
const WORDS = {
  "login.discovery": {
    way: ["spa", "idp"], how: BACK,
    title: "Fetch the provider's metadata",
    why: "The page is configured with the issuer only. Endpoints and keys come from the issuer itself.",
  },
  "login.prepare": {
    way: ["spa"], how: INSIDE, found: "Generated",
    title: "Generate three values for this login",
    why: "state binds the response to this tab. nonce binds the ID token to this login. code_verifier stays here: " +
      "only its SHA-256 hash, the code_challenge, is sent. All three are kept in sessionStorage and deleted after use.",
  },
  "login.redirect": {
    way: ["spa", "browser", "idp"], how: FRONT,
    title: "Redirect the browser to the provider",
    why: "The address, the history and browser extensions expose these values. So none of them is a secret.",
  },
  "login.at_provider": {
    way: ["user", "idp"], how: ["away", "outside of this page"],
    title: "Sign in at the provider",
    why: "The provider checks the request, asks for the password unless this browser has a session, and issues a code: " +
      "valid once, and for a short time. This page never sees the password.",
  },
  "callback.received": {
    way: ["idp", "browser", "spa"], how: FRONT,
    title: "Return with a code",
    why: "The code was in the address. It is useless without the code_verifier.",
  },
  "callback.check": {
    way: ["spa"], how: INSIDE,
    title: "Check state and issuer",
    why: "A different state means that somebody else began this login (CSRF). A different issuer means that another provider answered (RFC 9207). " +
      "In both cases the code is not used.",
  },
  "callback.code_exchange": {
    way: ["spa", "idp"], how: BACK,
    title: "Exchange the code for tokens",
    why: "The provider hashes the code_verifier and compares it with the stored code_challenge (PKCE). " +
      "A public client has no secret: anybody can read the source of this page. " +
      "So the page proves with a signature that it holds a key, and the tokens are bound to this key (DPoP, RFC 9449): " +
      "the browser lets this page sign with it and lets no script read it.",
  },
  "callback.id_token_check": {
    way: ["spa"], how: INSIDE,
    title: "Validate the ID token",
    why: "Its nonce is that of this login, so it was not issued for another one. Issuer, audience, lifetime and signature are valid too. " +
      "It identifies you and is never sent to an API.",
  },
  "userinfo.call": {
    way: ["spa", "idp"], how: BACK,
    title: "Request your profile from the provider",
    why: "The response may have more claims than the ID token, and is current.",
  },
  "api.call": {
    way: ["spa", "api"], how: BACK,
    title: "Call the API with the access token",
    why: "The API validates signature, issuer, audience, lifetime and scope itself, without a request to the provider, " +
      "and that the proof was made for this request and this token with the token's key: a stolen token alone is of no use. " +
      "The browser allows this page to read the response because the API allows this origin (CORS), and no other.",
  },
  "tokens.refresh": {
    way: ["spa", "idp"], how: BACK,
    title: "Exchange the refresh token for new tokens",
    why: "Refresh tokens rotate: each is valid once, and the new one expires when the first one would. " +
      "So rotation never prolongs the login.",
  },
  "tokens.replay": {
    way: ["spa", "idp"], how: BACK,
    title: "Reuse an old refresh token",
    why: "A thief would do this. For a short time the provider repeats its response, which may have been lost. " +
      "After that it revokes every token of this login.",
  },
  "logout.revoke": {
    way: ["spa", "idp"], how: BACK,
    title: "Revoke the refresh token",
    why: "A copy of the token is then useless (RFC 7009).",
  },
  "logout.forget": {
    way: ["spa"], how: INSIDE,
    title: "Delete all tokens",
    why: "They were in the memory of this page only.",
  },
  "logout.redirect": {
    way: ["spa", "browser", "idp"], how: FRONT,
    title: "Redirect the browser to the provider's sign-out",
    why: "The session at the provider ends, and with it single sign-on. The ID token identifies the session.",
  },
};

/** Appends the step `name` to the list `story`. */
export function write(story, name, { sent, got, refused }) {
  const { way, how, title, why, found = way.length > 1 ? "Received" : "Found" } = WORDS[name];
  const [kind, channel] = how;
  const entry = element("li", `step ${kind}`);
  entry.dataset.step = name;
  entry.append(element("p", "step-way small", ...path(way), element("span", "channel", channel)));
  entry.append(element("h3", "", title));
  if (sent) entry.append(part(way.length > 1 ? "Sent" : "Known", sent));
  if (got) entry.append(part(found, got));
  if (refused) {
    entry.classList.add("refused");
    entry.append(element("p", "note bad", refused));
  }
  entry.append(element("p", "why", why));
  story.append(entry);
  return entry;
}

function path(way) {
  return way.flatMap((who, at) => {
    const [label, colour] = WHO[who];
    const badge = element("span", `badge ${colour || "nobody"}`, label);
    return at === 0 ? [badge] : [element("span", "arrow", "→"), badge];
  });
}

function part(label, values) {
  return element("div", "part", element("p", "part-label small muted", label), facts(values));
}
