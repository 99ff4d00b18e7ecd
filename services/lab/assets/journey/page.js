// Lists the steps of this browser's journey.

const list = document.getElementById("twin");
const source = new EventSource("/journey/events");
source.addEventListener("end", () => source.close());
source.addEventListener("step", (event) => {
  const step = JSON.parse(event.data);
  const entry = document.createElement("li");
  entry.textContent = `${step.from} → ${step.to}: ${step.name}`;
  list.append(entry);
});
