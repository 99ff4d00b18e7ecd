// Hands the provider's answer to the page that opened this window.
"use strict";

new BroadcastChannel("docs-sign-in").postMessage(location.search);
// The code leaves the address bar and the history.
history.replaceState(null, "", location.pathname);
window.close();
