// Which tables can be learned? A group's table with its hidden cells, its block and its accuracy.

import {
  caption, chartAxes, choice, cleanUp, colour, drawCurves, element, follow, heatMap, legend, makeView, picture, player,
  scrub, slider, tell,
} from "./common.js";
import { fixed } from "./wording.js";

const { EVERY, LAST, LEVELS, MOMENTS, ORDERS, TITLES } = given;
const CURVES = [["accuracy", "test", "solid", "accuracy on the hidden cells"]];
// The ends and the middle of the figures' scale for labels.
const SCALE = [[0, 34, 78], [124, 123, 120], [254, 232, 56]];

function shade(share) {
  const low = share < 0.5 ? 0 : 1;
  const part = 2 * share - low;
  return `rgb(${SCALE[low].map((value, i) => Math.round(value + part * (SCALE[low + 1][i] - value)))})`;
}

function render({ model, el }) {
  const view = makeView(model, el, "which-tables", "Which tables can be learned?");
  const bytes = model.get("entries");
  const entries = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const run = () => model.get("runs")[model.get("group")];
  const byCosets = () => model.get("order") === ORDERS[1];
  const natural = size => Array.from({ length: size }, (_, i) => i);
  const order = () => byCosets() ? run() : { rows: natural(run().size), columns: natural(run().size) };

  // Lines between cosets.
  const cuts = (context, width) => {
    if (!byCosets()) return;
    const { inside, size } = run();
    context.fillStyle = colour(view, "paper");
    for (let at = inside; at < size; at += inside) {
      const x = at * width / size - 0.75;
      context.fillRect(x, 0, 1.5, width);
      context.fillRect(0, x, width, 1.5);
    }
  };

  const table = picture(view, { ratio: 1, draw(context, width) {
    const { size, start, hidden, right } = run();
    const { rows, columns } = order();
    const cell = width / size;
    const rights = right[model.get("moment")];
    const marks = new Map(hidden.map((number, i) => [number, rights[i] === "1"]));
    rows.forEach((a, i) => {
      columns.forEach((b, j) => {
        context.fillStyle = shade(entries[start + a * size + b] / (size - 1));
        const mark = marks.get(a * size + b);
        if (mark === undefined) {
          context.fillRect(j * cell, i * cell, cell + 0.5, cell + 0.5);
          return;
        }
        // Hidden cells have no colour of their own: a disc where the answer is right, a cross where it is wrong.
        const [x, y, r] = [(j + 0.5) * cell, (i + 0.5) * cell, 0.36 * cell];
        context.fillStyle = colour(view, "paper");
        context.fillRect(j * cell, i * cell, cell + 0.5, cell + 0.5);
        context.beginPath();
        if (mark) {
          context.fillStyle = colour(view, "test");
          context.arc(x, y, r, 0, 2 * Math.PI);
          context.fill();
        } else {
          context.strokeStyle = colour(view, "deviation");
          context.lineWidth = Math.max(1.5, cell / 6);
          for (const sign of [-1, 1]) {
            context.moveTo(x - r, y - sign * r);
            context.lineTo(x + r, y + sign * r);
          }
          context.stroke();
        }
      });
    });
    cuts(context, width);
  } });

  const block = picture(view, { ratio: 1, draw(context, width, height) {
    const { size, start } = run();
    const { rows, columns } = order();
    const at = model.get("moment");
    const first = start + size * size * at;
    const values = at === 0
      ? new Int8Array(size * size)
      : rows.flatMap(a => columns.map(b => entries[first + a * size + b]));
    heatMap(context, { x: 0, y: 0, width, height }, values, size, size, LEVELS);
    cuts(context, width);
  } });

  const chart = picture(view, { ratio: 0.62, draw(context, width, height) {
    const at = EVERY * model.get("moment");
    const scale = chartAxes(view, context, width, height, { at, last: LAST, xLabel: "update" });
    drawCurves(view, context, scale, CURVES, measure => run()[measure], at);
  } });

  scrub(view, chart.canvas, { name: "moment", last: LAST, each: EVERY });

  view.root.append(
    element("div", { class: "rfm-controls" },
      choice(view, { name: "group", label: "group", options: TITLES.map(title => [title, title]) }),
      choice(view, { name: "order", label: "rows and columns", options: ORDERS.map(one => [one, one]) }),
      player(view, { name: "moment", last: MOMENTS, pause: 500 }),
      slider(view, { name: "moment", label: "update", min: 0, max: MOMENTS, say: at => String(EVERY * at) }),
    ),
    element("div", { class: "rfm-pictures" },
      element("div", {}, table.canvas, caption("The table. Hidden cells: a disc is right, a cross is wrong.")),
      element("div", {}, block.canvas, caption("The block of a (rows) and b (columns): red above zero, blue below.")),
      element("div", {}, chart.canvas, legend(CURVES)),
    ),
    view.sentence,
  );

  follow(model, ["group", "order", "moment"], () => {
    const at = model.get("moment");
    const title = model.get("group");
    const { hidden, inside, left, right, size } = run();
    const count = [...right[at]].filter(mark => mark === "1").length;
    for (const one of [table, block, chart]) one.redraw();
    table.describe(`Table of ${size} × ${size} labels; of ${hidden.length} hidden cells ${count} are right.`);
    block.describe(at === 0 ? "The block is empty: M is the identity." : `Heat map of ${size} × ${size} entries.`);
    chart.describe(`Line plot over ${LAST} updates, now at ${EVERY * at}: accuracy ${fixed(run().accuracy[EVERY * at], 2)}.`);
    const words = at === 0
      ? "The block is still empty."
      : `Class means of a⁻¹b leave ${fixed(left[at][0], 2)} of the block over, a clock in each pair of cosets `
        + `${fixed(left[at][1], 2)}; of noise they leave ${fixed(1 - 1 / size, 2)} and ${fixed(1 - 1 / inside, 2)}.`;
    const arranged = byCosets() ? `by cosets of a commutative subgroup of ${inside}` : ORDERS[0];
    tell(view, `Update ${EVERY * at} of ${LAST} on ${title}, ${size} elements ${arranged}: `
      + `right on ${count} of ${hidden.length} hidden cells. ${words}`);
  }, view.cleanups);
  return cleanUp(view);
}

export default { render };
