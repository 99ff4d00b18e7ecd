// Counts down what ends. "Look again" asks the services anew.

import { words } from "./lives.js";

const began = performance.now();
const all = [...document.querySelectorAll("[data-left]")];

function show() {
  const gone = performance.now() - began;
  for (const one of all) {
    const left = Number(one.dataset.left) - gone;
    const text = left > 0 ? words(Math.ceil(left / 1000)) : "ended";
    if (one.textContent !== text) one.textContent = text;
    one.classList.toggle("over", left <= 0);
  }
}

if (all.length > 0) setInterval(show, 500);
