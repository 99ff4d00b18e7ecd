// Swagger UI with the app's session: the lock is closed during a session, and
// "Authorize" signs in.
"use strict";

const signedIn = document.getElementById("swagger-ui").dataset.signedIn === "true";
const SCHEME = "session";

/** When signed out, the button of the authorization dialog opens the login instead. */
const signInInstead = (Original, system) => (props) => {
  const onClick = signedIn ? props.onClick : () => location.assign("/login?return_to=/docs");
  return system.React.createElement(Original, { ...props, onClick });
};

const ui = showSwagger({
  plugins: [{ wrapComponents: { authorizeBtn: signInInstead, authorizeOperationBtn: signInInstead } }],
  requestInterceptor: (request) => {
    request.headers["X-CSRF"] = "1";
    // The browser itself sends the session cookie, which no script can see.
    delete request.headers.Cookie;
    return request;
  },
  onComplete: () => {
    if (signedIn) ui.preauthorizeApiKey(SCHEME, "kept by the browser, out of the reach of scripts");
  },
});
