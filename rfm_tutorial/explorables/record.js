// A record: a table for what the reader tried and saw, kept in the reader's browser only.

import { button, caption, cleanUp, element, follow, makeView, tell } from "./frame.js";
import { followKept, keep, kept, lasting } from "./keeping.js";

function render({ model, el }) {
  const view = makeView(model, el, "record", "Your record");
  const [first, ...columns] = model.get("columns");
  const rows = model.get("rows").map((row, line) => columns.map((column, place) => {
    const cell = { key: `${model.get("key")}-${line}-${place}` };
    const input = element("input", { type: "text", autocomplete: "off", size: 6, "aria-label": `${row}, ${column}` });
    input.addEventListener("input", () => keep(cell, input.value));
    return { cell, input };
  }));
  const head = words => element("th", { scope: "col" }, words);
  const body = rows.map((cells, line) => element("tr", {},
    element("th", { scope: "row" }, model.get("rows")[line]),
    ...cells.map(({ input }) => element("td", {}, input))));
  const clear = button("Clear the table", () => {
    for (const { cell } of rows.flat()) keep(cell, "");
  });
  const privacy = lasting()
    ? "What you write stays in this browser and is sent nowhere."
    : "Your browser keeps nothing for this page: what you write lasts until you leave it. It is sent nowhere.";
  view.root.append(
    element("div", { class: "rfm-record-frame" }, element("table", { class: "rfm-record-table" },
      element("thead", {}, element("tr", {}, ...[first, ...columns].map(head))), element("tbody", {}, ...body))),
    view.sentence, element("div", { class: "rfm-controls" }, clear, caption(privacy)));
  const update = () => {
    for (const { cell, input } of rows.flat()) {
      if (document.activeElement !== input) input.value = kept(cell); // never change what is being typed
    }
    const begun = rows.filter(cells => cells.some(({ cell }) => kept(cell))).length;
    tell(view, `Lines begun: ${begun} of ${rows.length}.`);
  };
  follow(model, ["rows"], update, view.cleanups);
  followKept(update, view.cleanups);
  return cleanUp(view);
}

export default { render };
