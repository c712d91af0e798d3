// Discrete-log shuffle: rows and columns change places until the block is circulant.

import {
  assign, button, caption, chartAxes, choice, cleanUp, diverging, drawCurves, element, follow, largest, legend,
  makeView, picture, player, reducedMotion, scrub, slider, tell,
} from "./common.js";
import { OPERATIONS, circulantDeviation, powersOf, submatrix } from "./blocks.js";
import { fixed } from "./wording.js";

const { NAMES } = given;
const GLIDE = 350; // milliseconds from one order to the next
const CURVES = [["deviation", "deviation", "solid", "circulant deviation of the block in this order"]];

// The first `placed` powers of the root, then the other digits from the smallest to the largest.
function digitOrder(p, root, placed) {
  const powers = powersOf(root, p);
  return [...powers.slice(0, placed), ...powers.slice(placed).sort((i, j) => i - j)];
}

function render({ model, el }) {
  const view = makeView(model, el, "shuffle", "Discrete-log shuffle");
  const bytes = model.get("entries");
  const entries = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const p = model.get("modulus");
  const n = p - 1;
  const limit = largest(entries);
  const flipped = () => OPERATIONS[model.get("operation")].flipped;
  const colours = Array.from(entries, value => `rgb(${diverging(value, limit)})`);

  const deviationAt = placed => {
    const rows = digitOrder(p, model.get("root"), placed).map(digit => digit - 1);
    return circulantDeviation(submatrix(entries, n, rows, flipped() ? [...rows].reverse() : rows));
  };
  let deviations = [];

  // Where each digit is now, from 0 to n − 1, and on its way to where.
  const places = () => {
    const order = digitOrder(p, model.get("root"), model.get("placed"));
    const result = new Float64Array(p);
    order.forEach((digit, place) => { result[digit] = place; });
    return result;
  };
  let now = places();
  let frame = 0;

  const block = picture(view, { ratio: 1, draw(context, width) {
    const cell = width / n;
    const flip = flipped();
    for (let a = 1; a < p; a++) {
      for (let b = 1; b < p; b++) {
        context.fillStyle = colours[(a - 1) * n + b - 1];
        const column = flip ? n - 1 - now[b] : now[b];
        context.fillRect(column * cell, now[a] * cell, cell + 0.5, cell + 0.5);
      }
    }
  } });

  const chart = picture(view, { ratio: 0.7, draw(context, width, height) {
    const at = model.get("placed");
    const xTicks = [0, n / 2, n].map(k => [k, fixed(k, 0)]);
    const scale = chartAxes(view, context, width, height, { at, last: n, xTicks, xLabel: "digits in place" });
    drawCurves(view, context, scale, CURVES, () => deviations, at);
  } });

  scrub(view, chart.canvas, { name: "placed", last: n });

  const glide = () => {
    cancelAnimationFrame(frame);
    const from = now;
    const to = places();
    if (reducedMotion() || from.every((place, digit) => place === to[digit])) {
      now = to;
      block.redraw();
      return;
    }
    const start = performance.now();
    const move = time => {
      const share = Math.min(1, Math.max(0, (time - start) / GLIDE));
      const eased = share * share * (3 - 2 * share);
      now = to.map((place, digit) => from[digit] + eased * (place - from[digit]));
      block.redraw();
      if (share < 1) frame = requestAnimationFrame(move);
    };
    frame = requestAnimationFrame(move);
  };
  view.cleanups.push(() => cancelAnimationFrame(frame));

  // One button for both ways, so that it always leads somewhere.
  const both = button("", () => assign(model, { placed: model.get("placed") < n ? n : 0 }));
  const words = caption();
  view.root.append(
    element("div", { class: "rfm-controls" },
      choice(view, { name: "root", label: "primitive root g", options: model.get("roots").map(g => [g, String(g)]) }),
      both,
      player(view, { name: "placed", last: n, pause: 120 }),
      slider(view, { name: "placed", label: "digits in place", min: 0, max: n }),
    ),
    element("div", { class: "rfm-pictures" },
      element("div", {}, block.canvas, words),
      element("div", {}, chart.canvas, legend(CURVES)),
    ),
    view.sentence,
  );

  follow(model, ["root", "operation"], () => {
    deviations = Array.from({ length: n + 1 }, (_, placed) => deviationAt(placed));
  }, view.cleanups);
  follow(model, ["root", "operation", "placed"], () => {
    const k = model.get("placed");
    const g = model.get("root");
    const order = digitOrder(p, g, k).slice(0, 8).join(", ");
    const deviation = fixed(deviations[k], 3);
    both.textContent = k < n ? "Discrete-log order" : "Natural order";
    glide();
    chart.redraw();
    words.textContent = "Rows: digit a. Columns: digit b"
      + `${flipped() ? ", last first" : ""}. The digit 0 is left out.`;
    block.describe(`Heat map of ${n} × ${n} entries, ${k} of ${n} digits in the order of their discrete logarithm.`);
    chart.describe(`Line plot of the circulant deviation over the digits in place: ${fixed(deviations[0], 3)} in natural `
      + `order, now ${deviation}, ${fixed(deviations[n], 3)} when all are in place.`);
    tell(view, `${NAMES[model.get("operation")]} mod ${p} with the primitive root ${g}: ${k} of ${n} digits are in the `
      + `order of their discrete logarithm. The order begins ${order}${n > 8 ? " and so on" : ""}. `
      + `Circulant deviation ${deviation}.`);
  }, view.cleanups);
  return cleanUp(view);
}

export default { render };
