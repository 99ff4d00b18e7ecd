// Swagger UI, which signs in with code and PKCE as a public client. Its own redirect page
// needs `window.opener`, which the provider's pages remove (Cross-Origin-Opener-Policy);
// so the response comes through a channel of this origin.
"use strict";

const { clientId, issuer, redirect } = document.getElementById("swagger-ui").dataset;
const answers = new BroadcastChannel("docs-sign-in");

/**
 * Opens the provider's window for `login`, in place of Swagger UI's `authPopup`.
 * `state` is made anew: Swagger UI takes the time of day.
 */
const openWindow = () => (address, login) => {
  const state = crypto.randomUUID();
  const target = new URL(address);
  target.searchParams.set("state", state);
  answers.onmessage = ({ data }) => {
    const answer = new URLSearchParams(data);
    // The response to another tab, or a forged one (RFC 6749 §10.12, RFC 9207 §2.4).
    if (answer.get("state") !== state || answer.get("iss") !== issuer) return;
    answers.onmessage = null;
    finish(login, answer);
  };
  window.open(target);
};

function finish({ auth, redirectUrl, callback, errCb }, answer) {
  const code = answer.get("code");
  if (code) {
    callback({ auth: { ...auth, code }, redirectUrl });
    return;
  }
  const message = answer.get("error_description") ?? answer.get("error") ?? "The provider sent no code.";
  errCb({ authId: auth.name, source: "auth", level: "error", message });
}

const ui = showSwagger({
  oauth2RedirectUrl: location.origin + redirect,
  persistAuthorization: false,
  requestInterceptor: (request) => {
    // Swagger UI adds this header to its token request, and the provider's CORS refuses it.
    delete request.headers["X-Requested-With"];
    return request;
  },
  plugins: [{ statePlugins: { auth: { wrapActions: { authPopup: openWindow } } } }],
});
ui.initOAuth({ clientId, usePkceWithAuthorizationCodeGrant: true, scopes: "https://api-1/read https://api-1/write" });
