// Starts the attack of the page when its button is pressed, or at once with ?go.
"use strict";

const scene = document.querySelector("#scene");
const go = new URLSearchParams(location.search).get("go");

/** Shows the outcome. */
function tell(name) {
  for (const line of document.querySelectorAll("[data-outcome]")) line.hidden = line.dataset.outcome !== name;
}

const weapons = {
  image() {
    const image = scene.querySelector("img");
    for (const end of ["load", "error"]) image.addEventListener(end, () => tell("over"));
  },
  form() {
    tell("over");
    scene.querySelector("form").submit();
  },
  "framed-form"() {
    scene.querySelector("iframe").addEventListener("load", () => tell("over"));
    scene.querySelector("form").submit();
  },
  async fetch() {
    const shown = scene.querySelector("pre");
    const loot = await attack(shown.dataset.app);
    shown.textContent = loot.orders ?? "";
    tell(loot.orders === null ? "refused" : "read");
  },
  frame() {
    tell("laid");
    // A page does not see clicks in a frame, but the frame takes the focus.
    window.addEventListener("blur", () => {
      if (document.activeElement === scene.querySelector("iframe")) tell("taken");
    });
  },
  links() {
    const links = scene.querySelectorAll("a");
    for (const link of links) link.addEventListener("click", () => tell("over"));
    // If there are several, the user picks one; ?go=2 picks the second.
    if (go !== null || links.length === 1) (links[Number(go) - 1] ?? links[0]).click();
  },
};

function fire() {
  scene.replaceChildren(document.querySelector("#weapon").content.cloneNode(true));
  weapons[scene.dataset.weapon]();
}

const trigger = document.querySelector("[data-fire]");
if (trigger) {
  trigger.addEventListener("click", fire);
  if (go !== null) fire();
}
