// Swagger UI, told about the session: the lock is closed while there is one,
// and "Authorize" means signing in.
"use strict";

const signedIn = document.getElementById("swagger-ui").dataset.signedIn === "true";
const SCHEME = "session";

/** The button that opens the authorisation dialog leads to the login instead when signed out. */
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
