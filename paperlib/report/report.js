"use strict";
const slider = document.getElementById("cut"), said = document.getElementById("said");
const marks = [...document.querySelectorAll("#pictures [data-score]")].map(mark => [mark, Number(mark.dataset.score)]);

function cut() {
  const least = Number(slider.value) - 1e-9;
  said.textContent = Number(slider.value).toFixed(2);
  for (const [mark, score] of marks) {
    if (mark.classList.contains("object")) mark.classList.toggle("lost", score < least);
    else mark.classList.toggle("off", score < least);
  }
  for (const example of document.querySelectorAll(".example")) {
    const count = chosen => example.querySelectorAll(chosen).length;
    example.querySelector(".good").textContent = count(".object:not(.lost)");
    example.querySelector(".tally .lost").textContent = count("g.object.lost");
    example.querySelector(".bad").textContent = count("g.wrong:not(.off)");
  }
}

function sort(head, button) {
  const table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
  const down = head.getAttribute("aria-sort") !== "descending";
  const key = row => {
    const cell = row.cells[column], value = Number(cell.dataset.value);
    return cell.dataset.value === undefined ? cell.textContent : Number.isNaN(value) ? -Infinity : value;
  };
  const order = (a, b) => typeof a === "string" ? a.localeCompare(b) : a - b;
  const rows = [...body.rows].sort((a, b) => (down ? -1 : 1) * order(key(a), key(b)));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  body.append(...rows);
  button.focus();
}

for (const head of document.querySelectorAll(".sortable th[scope=col]:not([data-plain])")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  button.addEventListener("click", () => sort(head, button));
  head.append(button);
}
if (slider) { slider.addEventListener("input", cut); cut(); }
let closed = [];
window.addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  for (const box of closed) box.open = true;
});
window.addEventListener("afterprint", () => { for (const box of closed) box.open = false; });
