// The list of steps: a listener of the journey that writes each one down with
// its number, who spoke to whom, what was sent, what came back, and why.

import { element, facts } from "./dom.js";

/** Who can speak: what the badge says, and whose colour it has. */
const WHO = {
  user: ["You", ""],
  spa: ["This page", "of-spa"],
  browser: ["Browser", ""],
  idp: ["Identity provider", "of-idp"],
  api: ["API-1", "of-api-1"],
};

const INSIDE = ["inside", "inside this page"];
const FRONT = ["front", "front channel: in the address bar"];
const BACK = ["back", "direct: in no address bar"];

/** Of each step: the way it took, how, its title, why it is there, and what its findings are called. */
const WORDS = {
  "login.discovery": {
    way: ["spa", "idp"], how: BACK,
    title: "Ask the provider what it can do",
    why: "The page knows the issuer alone. Endpoints and keys come from the issuer itself.",
  },
  "login.prepare": {
    way: ["spa"], how: INSIDE, found: "Made",
    title: "Make three values for this login alone",
    why: "state binds the answer to this tab. nonce binds the ID token to this login. code_verifier stays here: " +
      "only its SHA-256, the code_challenge, travels. They wait in sessionStorage for the way back, and are deleted when they are used.",
  },
  "login.redirect": {
    way: ["spa", "browser", "idp"], how: FRONT,
    title: "Send the browser to the provider",
    why: "All of this can be read in the address, in the history and by extensions. So nothing in it is worth stealing.",
  },
  "login.at_provider": {
    way: ["user", "idp"], how: ["away", "out of this page's sight"],
    title: "Sign in, at the provider alone",
    why: "The provider kept the request, asked for a password or knew this browser already, and made a code: " +
      "to be used once, and soon. This page never sees the password.",
  },
  "callback.received": {
    way: ["idp", "browser", "spa"], how: FRONT,
    title: "Come back with a code",
    why: "The code stood in the address. Alone it is worth nothing: the code_verifier is missing.",
  },
  "callback.check": {
    way: ["spa"], how: INSIDE,
    title: "Check state and issuer",
    why: "Another state: somebody else began this login (CSRF). Another issuer: another provider answered (RFC 9207). " +
      "In both cases the code is not used.",
  },
  "callback.code_exchange": {
    way: ["spa", "idp"], how: BACK,
    title: "Exchange the code for tokens",
    why: "The provider hashes the code_verifier and compares it with the code_challenge that it kept (PKCE). " +
      "A public client has no secret that it could show: anybody can read this page's source.",
  },
  "callback.id_token_check": {
    way: ["spa"], how: INSIDE,
    title: "Check the ID token",
    why: "Its nonce is the one of this login, so it was not made for another. Issuer, audience, life and signature hold too. " +
      "It says who you are, and goes to no API.",
  },
  "userinfo.call": {
    way: ["spa", "idp"], how: BACK,
    title: "Ask the provider about you",
    why: "May say more than the ID token, and says it as it is now.",
  },
  "api.call": {
    way: ["spa", "api"], how: BACK,
    title: "Call the API with the access token",
    why: "The API checks signature, issuer, audience, life and scope by itself, without asking the provider. " +
      "The browser lets this page read the answer since the API names this origin (CORS), and no other.",
  },
  "tokens.refresh": {
    way: ["spa", "idp"], how: BACK,
    title: "Exchange the refresh token for new tokens",
    why: "It rotates: each refresh token is for one use, and the new one ends when the first would have. " +
      "So no chain of them lives longer than the first was given.",
  },
  "tokens.replay": {
    way: ["spa", "idp"], how: BACK,
    title: "Send a used refresh token again",
    why: "A thief would do that. For a moment the provider only repeats its answer, which may have been lost; " +
      "after that it ends every token of this login.",
  },
  "logout.revoke": {
    way: ["spa", "idp"], how: BACK,
    title: "Revoke the refresh token",
    why: "Whoever has copied it can do nothing with it any more (RFC 7009).",
  },
  "logout.forget": {
    way: ["spa"], how: INSIDE,
    title: "Forget all tokens",
    why: "They were in this page's memory, and nowhere else.",
  },
  "logout.redirect": {
    way: ["spa", "browser", "idp"], how: FRONT,
    title: "Send the browser to the provider's sign-out",
    why: "Its own session ends there, and so does single sign-on. The ID token says whose session is meant.",
  },
};

/** Appends the step `name` to the list `story`. */
export function write(story, name, { sent, got, refused }) {
  const { way, how, title, why, found = way.length > 1 ? "Came back" : "Found" } = WORDS[name];
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
