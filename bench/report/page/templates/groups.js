
// Of a long table the rows of one method below a line with its name, which shows those that are not shown at first.
// No such lines while rows are sorted or filtered, which takes them apart.
for (const table of document.querySelectorAll("table.grouped")) {
  const block = table.closest(".block"), unfold = block.querySelector(".unfold"), body = table.tBodies[0];
  const groups = new Map();
  for (const row of body.querySelectorAll("tr[data-group]")) {
    groups.set(row.dataset.group, [...(groups.get(row.dataset.group) || []), row]);
  }
  const lines = [...groups].map(([name, rows]) => {
    const line = document.createElement("tr"), head = document.createElement("th"), text = document.createElement("span");
    const rest = rows.filter((row) => row.classList.contains("rest"));
    line.className = "group";
    head.colSpan = table.tHead.rows[0].cells.length;
    head.scope = "rowgroup";
    text.textContent = name;
    if (rest.length) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = rest.length < rows.length ? `show ${rest.length} more` : `show ${rest.length}`;
      button.addEventListener("click", () => {
        rest.forEach((row) => row.classList.remove("rest"));
        button.remove();
        if (!body.querySelector(".rest")) unfold.click();
      });
      unfold.addEventListener("click", () => button.remove());
      text.append(button);
    }
    head.append(text);
    line.append(head);
    return [line, rows[0]];
  });
  let sorted = false;
  const arrange = () => {
    const input = block.querySelector("input");
    const flat = sorted || Boolean(input && input.value);
    table.classList.toggle("flat", flat);
    lines.forEach(([line, first]) => { if (flat) line.remove(); else first.before(line); });
  };
  table.tHead.addEventListener("click", (event) => {
    if (!event.target.closest("button")) return;
    sorted = true;
    arrange();
  }, true);
  block.addEventListener("input", arrange, true);  // before the rows are counted
  arrange();
}
