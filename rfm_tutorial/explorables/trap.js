// The symmetry trap: cells of a table that are hidden by a click, and a machine that learns the rest.

import {
  assign, button, caption, chartAxes, choice, cleanUp, colour, drawCurves, element, follow, legend, makeView, picture,
  scrub, slider, tell,
} from "./common.js";
import { answersKey, blockPicture, drawAnswers } from "./in_page.js";
import { rfmSteps } from "./numerics.js";
import { rounded } from "./wording.js";

const { BANDWIDTH, LAST, MODULI, SMALLEST, TIE } = given;
const MEASURES = [
  // measure, colour, dash, text
  ["rightShare", "test", "solid", "hidden cells that are right"],
  ["evenShare", "deviation", "dotted", "even share of M"],
];

const diagonal = p => Array.from({ length: p }, (_, k) => k * (p + 1));
const mirror = (cell, p) => (cell % p) * p + Math.floor(cell / p);
const onDiagonal = (cell, p) => cell % (p + 1) === 0;

// ---- The machine ------------------------------------------------------------------------------------

// The cells with these numbers a·p + b, as numerics.js wants them.
function part(cells, p) {
  const a = Int32Array.from(cells, cell => Math.floor(cell / p));
  const b = Int32Array.from(cells, cell => cell % p);
  return { n: cells.length, a, b, labels: a.map((digit, i) => (digit + b[i]) % p) };
}

function newRun(p, hidden) {
  const all = Array.from({ length: p * p }, (_, cell) => cell);
  const split = { p, train: part(all.filter(cell => !hidden.includes(cell)), p), test: part(hidden, p) };
  return { split, steps: rfmSteps(split, "add", BANDWIDTH), records: [] };
}

// As in Python: an answer that is ahead by rounding only is none.
function ahead(scores, labels, p) {
  return Array.from(labels, (label, i) => {
    const row = scores.subarray(i * p, (i + 1) * p);
    return row.every((score, other) => other === label || row[label] - score > TIE);
  });
}

function evenShare(M, p) {
  let [coupled, trace] = [0, 0];
  for (let k = 0; k < p; k++) {
    coupled += M[k * 2 * p + p + k];
    trace += M[k * 2 * p + k] + M[(p + k) * 2 * p + p + k];
  }
  return 0.5 + coupled / trace;
}

// One piece of work, some 10 ms long.
function advance({ split: { p, test }, steps, records }) {
  const record = steps.next().value;
  if (!record) return;
  const right = ahead(record.scores, test.labels, p);
  records.push({
    right,
    block: record.block,
    rightShare: test.n ? right.filter(Boolean).length / test.n : null,
    evenShare: evenShare(record.featureMatrix, p),
  });
}

function trapInWords(model, { right, evenShare: share }) {
  const [p, hidden, step] = [model.get("modulus"), model.get("hidden"), model.get("step")];
  const mirrored = hidden.every(cell => hidden.includes(mirror(cell, p)));
  const of = wanted => {
    const which = hidden.map(cell => onDiagonal(cell, p) === wanted);
    return `${which.filter((one, i) => one && right[i]).length} of ${which.filter(Boolean).length}`;
  };
  const when = step ? `After ${step} update${step === 1 ? "" : "s"}` : "Before any update";
  return `a + b mod ${p}, ${hidden.length} cell${hidden.length === 1 ? " is" : "s are"} hidden, and the shown ones `
    + `${mirrored ? "mirror" : "do not mirror"} each other. ${when} the machine is right on ${of(true)} hidden cells `
    + `of the diagonal and on ${of(false)} others. Even share of M: `
    + `${share >= SMALLEST ? rounded(share, 5) : "below 0.00001"}.`;
}

// ---- Cells that are hidden and shown ----------------------------------------------------------------

// Hide a cell that is shown, show one that is hidden; never more than half of the table.
function toggle(model, cell) {
  const [p, hidden] = [model.get("modulus"), model.get("hidden")];
  const others = hidden.filter(other => other !== cell);
  const next = others.length < hidden.length ? others : [...hidden, cell].sort((x, y) => x - y);
  if (next.length <= Math.floor((p * p) / 2)) assign(model, { hidden: next });
}

const chosen = model => model.get("a") * model.get("modulus") + model.get("b");

function drawTable(view, context, width, run, right) {
  const p = run.split.p;
  drawAnswers(view, context, width, run.split, right);
  context.strokeStyle = colour(view, "focus");
  context.lineWidth = 2.5;
  const cell = width / p;
  const [x, y] = [view.model.get("b") * cell, view.model.get("a") * cell];
  context.strokeRect(x + 1, y + 1, cell - 2, cell - 2);
}

// The sliders for the two digits, whose ends move with p.
function digits(view) {
  const made = ["a", "b"].map(name => slider(view, { name, label: `row ${name}`, min: 0, max: 22 }));
  made[1].firstChild.textContent = "column b";
  follow(view.model, ["modulus"], () => {
    for (const one of made) one.querySelector("input").max = view.model.get("modulus") - 1;
  }, view.cleanups);
  return made;
}

// ---- All of it --------------------------------------------------------------------------------------

function render({ model, el }) {
  const view = makeView(model, el, "trap", "The symmetry trap");
  let run = newRun(model.get("modulus"), model.get("hidden"));
  const last = () => Math.min(model.get("step"), run.records.length - 1);
  const shown = () => run.records[last()];
  const unfinished = () => run.records.length <= model.get("step");

  const block = blockPicture(view, () => shown()?.block);
  const table = picture(view, { ratio: 1, attributes: { class: "rfm-picture rfm-table" }, draw(context, width) {
    drawTable(view, context, width, run, shown()?.right ?? []);
  } });
  const curves = picture(view, { ratio: 1, draw(context, width, height) {
    const scale = chartAxes(view, context, width, height, { at: last(), last: LAST, xLabel: "updates of the features" });
    drawCurves(view, context, scale, MEASURES, measure => run.records.map(record => record[measure]), last());
  } });
  scrub(view, curves.canvas, { name: "step", last: LAST });
  table.canvas.addEventListener("click", event => {
    const p = model.get("modulus");
    const { left, top, width } = table.canvas.getBoundingClientRect();
    const digit = offset => Math.min(p - 1, Math.max(0, Math.floor((offset / width) * p)));
    assign(model, { a: digit(event.clientY - top), b: digit(event.clientX - left) });
    toggle(model, chosen(model));
  });

  const one = button("", () => toggle(model, chosen(model)));
  const image = button("", () => toggle(model, mirror(chosen(model), model.get("modulus"))));
  const back = button("Hide the diagonal only", () => assign(model, { hidden: diagonal(model.get("modulus")) }));
  view.root.append(
    caption("Click a cell of the table to hide it or to show it; or choose it here."),
    element("div", { class: "rfm-controls" }, ...digits(view), one, image, back),
    element("div", { class: "rfm-controls" },
      choice(view, { name: "modulus", label: "modulus p", options: MODULI.map(p => [p, `${p}`]) }),
      slider(view, { name: "step", label: "updates", min: 0, max: LAST })),
    view.sentence,
    element("div", { class: "rfm-pictures" },
      element("div", {}, caption("The table: a downwards, b to the right"), table.canvas, answersKey()),
      element("div", {}, caption("The block of M: a downwards, b to the right"), block.canvas),
      element("div", {}, caption("The run so far"), curves.canvas, legend(MEASURES))));

  const show = () => {
    const [p, hidden] = [model.get("modulus"), model.get("hidden")];
    for (const drawn of [block, table, curves]) drawn.redraw();
    one.textContent = `${hidden.includes(chosen(model)) ? "Show" : "Hide"} (${model.get("a")}, ${model.get("b")})`;
    image.textContent = `${hidden.includes(mirror(chosen(model), p)) ? "Show" : "Hide"} its mirror image`;
    image.disabled = onDiagonal(chosen(model), p);
    back.disabled = `${hidden}` === `${diagonal(p)}`;
    const busy = unfinished();
    view.root.setAttribute("aria-busy", `${busy}`);
    const words = busy
      ? `Computing: ${Math.max(0, last())} of ${model.get("step")} updates are done.`
      : trapInWords(model, shown());
    tell(view, words, { quietly: busy });
    block.describe(`Heat map of the block of M, blue below zero. ${words}`);
    table.describe(`The table of all cells, ${hidden.length} of them hidden. ${words}`);
    curves.describe(`Line plot of right answers and even share over the updates. ${words}`);
    Object.assign(view.root.dataset, { evenShare: shown()?.evenShare ?? "" });
  };

  // At most one piece of work is waiting. Another table puts another run in its place.
  let waiting = 0;
  const work = () => {
    waiting = 0;
    const before = run.records.length;
    if (unfinished()) advance(run);
    if (run.records.length !== before) show();
    if (unfinished()) waiting = setTimeout(work);
  };
  const wake = () => {
    show();
    if (unfinished()) waiting ||= setTimeout(work);
  };
  follow(model, ["modulus"], () => {
    const p = model.get("modulus");
    if (p === run.split.p) return;
    assign(model, {
      hidden: diagonal(p), a: Math.min(model.get("a"), p - 1), b: Math.min(model.get("b"), p - 1),
    });
  }, view.cleanups);
  follow(model, ["hidden"], () => {
    run = newRun(model.get("modulus"), model.get("hidden"));
    wake();
  }, view.cleanups);
  follow(model, ["step", "a", "b"], wake, view.cleanups);
  view.cleanups.push(() => clearTimeout(waiting));
  return cleanUp(view);
}

export default { render };
