// Counts down what is in force. The service ends it by itself; the page only shows that.

const began = performance.now();
const rows = [...document.querySelectorAll(".in-force [data-remaining]")];

function show() {
  const gone = performance.now() - began;
  for (const row of rows) {
    const left = Number(row.dataset.remaining) - gone;
    if (left > 0) {
      row.querySelector(".seconds").textContent = `${Math.ceil(left / 1000)}\u00a0s`;
    } else if (!row.classList.contains("over")) {
      row.classList.add("over");
      row.querySelector(".remaining").textContent = "It has ended.";
      row.querySelector("form").hidden = true;
    }
  }
}

if (rows.length > 0) setInterval(show, 250);
