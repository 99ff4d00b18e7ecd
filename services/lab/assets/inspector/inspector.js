// Counts down what ends. "Look again" asks the services anew.

const began = performance.now();
const all = [...document.querySelectorAll("[data-left]")];

function words(seconds) {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

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
