// Passes the provider's response to the page that opened this window.
"use strict";

new BroadcastChannel("docs-sign-in").postMessage(location.search);
// Removes the code from the address bar and the history.
history.replaceState(null, "", location.pathname);
window.close();
