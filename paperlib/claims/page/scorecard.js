"use strict";
const form = document.getElementById("filters"), said = document.getElementById("said");
const rows = [...document.querySelectorAll("tr[data-verdict]")];
const groups = [...document.querySelectorAll("section[data-paper]")];
const text = new Map(rows.map(row => [row, row.textContent.toLowerCase()]));
const keys = ["paper", "kind", "verdict", "tier"];

function filter() {
  const wanted = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const fits = keys.every(key => !form.elements[key].value || row.dataset[key] === form.elements[key].value);
    row.hidden = !(fits && wanted.every(word => text.get(row).includes(word)));
    shown += !row.hidden;
  }
  for (const group of groups) group.hidden = !group.querySelector("tr[data-verdict]:not([hidden])");
  said.textContent = `${shown} of ${rows.length} claims shown`;
}

function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  if (target.matches("tr[hidden]")) { form.reset(); filter(); }
  const box = target.closest("details") || target.querySelector("details");
  if (box) box.open = true;
  target.scrollIntoView();
}

form.addEventListener("input", filter);
form.addEventListener("submit", event => event.preventDefault());
form.addEventListener("reset", () => setTimeout(filter));
document.getElementById("summary").addEventListener("click", event => {
  const button = event.target.closest("button");
  if (!button) return;
  form.reset();
  form.elements.paper.value = button.dataset.paper;
  form.elements.kind.value = button.dataset.kind;
  form.elements.verdict.value = button.dataset.verdict;
  filter();
  document.getElementById("claims").scrollIntoView();
  form.elements.paper.focus({preventScroll: true});
});
window.addEventListener("hashchange", reveal);
let closed = [];
window.addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("#claims details:not([open])")];
  for (const box of closed) box.open = true;
});
window.addEventListener("afterprint", () => { for (const box of closed) box.open = false; });
for (const [key, value] of new URLSearchParams(location.search)) if (form.elements[key]) form.elements[key].value = value;
filter();
reveal();
