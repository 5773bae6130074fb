// Tables that sort by a click on a column's name and filter by words. No other script, no network.
"use strict";
const SI = { k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18, Z: 1e21 };

// What a cell sorts by: its data-sort, else the number that it begins with, else its text.
function key(cell) {
  if (cell.dataset.sort !== undefined) return Number(cell.dataset.sort);
  const text = cell.textContent.trim();
  const match = /^[<>]?\s*(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?:\s+([kMGTPEZ])\b)?/.exec(text);
  return match ? Number(match[1]) * (SI[match[2]] || 1) : text.toLowerCase();
}

// Numbers before texts, missing values last in either direction.
function compare(a, b, sign) {
  const empty = [a, b].map((k) => k === "" || k === "?" || Number.isNaN(k));
  if (empty[0] || empty[1]) return empty[0] - empty[1];
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return sign * (typeof a === "number" ? a - b : a.localeCompare(b));
}

function sort(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const up = heads[column].getAttribute("aria-sort") !== "ascending";
  heads.forEach((head) => head.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", up ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
  rows.sort((a, b) => compare(a[0], b[0], up ? 1 : -1));
  body.append(...rows.map((pair) => pair[1]));
}

// Rows that contain every word; a word in quotes has to be a whole cell, of "one"|"another" either of them.
function filter(table, words, count) {
  const rows = [...table.tBodies[0].rows];
  const wanted = words.toLowerCase().match(/"[^"]*"(?:\|"[^"]*")*|\S+/g) || [];
  const whole = wanted.filter((word) => /^".*"$/.test(word))
    .map((word) => word.match(/"[^"]*"/g).map((part) => part.slice(1, -1).trim()));
  const parts = wanted.filter((word) => !/^".*"$/.test(word));
  let shown = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    const cells = whole.length ? [...row.cells].map((cell) => cell.textContent.trim().toLowerCase()) : [];
    row.hidden = !(parts.every((word) => text.includes(word)) && whole.every((words) => words.some((word) => cells.includes(word))));
    shown += !row.hidden;
  }
  count.textContent = wanted.length ? `${shown} of ${rows.length} rows` : "";
}

// Of a long table the first rows; the rest on demand, or where one looks for words.
function fold(table, block) {
  const button = document.createElement("button");
  button.className = "unfold";
  button.textContent = `show all ${table.tBodies[0].rows.length} rows`;
  table.classList.add("folded");
  button.addEventListener("click", () => { table.classList.remove("folded"); button.remove(); });
  block.querySelector(".scroll").after(button);
  const input = block.querySelector("input");
  if (input) input.addEventListener("input", () => table.classList.toggle("folded", !input.value && button.isConnected));
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => sort(table, column));
  });
  const block = table.closest(".block");
  if (table.querySelector("tr.rest")) fold(table, block);
  const input = block.querySelector("input");
  if (input) input.addEventListener("input", () => filter(table, input.value, block.querySelector(".count")));
}

// A number leads to the runs that it is made of: its own words, else those of its row.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a.runs");
  if (!link) return;
  const input = document.querySelector("#runs-table input");
  input.value = link.closest("[data-words]").dataset.words;
  input.dispatchEvent(new Event("input"));
});
