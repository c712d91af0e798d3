// Watch it grok: a block, its measures and the losses, with one cursor through all of them.

import {
  caption, chartAxes, choice, cleanUp, drawCurves, element, follow, heatMap, legend, makeView, picture, player, scrub,
  slider, tell,
} from "./common.js";
import { OPERATIONS } from "./blocks.js";
import { fixed } from "./wording.js";

const { KERNELS, LAST, LEVELS, MODULUS, SYMBOLS } = given;
const CURVES = [
  // measure, colour, dash, text
  ["test_accuracy", "test", "solid", "test accuracy"],
  ["train_accuracy", "train", "dashed", "training accuracy"],
  ["deviation", "deviation", "dotted", "circulant deviation"],
  ["alignment", "alignment", "dashdot", "alignment with the last matrix"],
];
const LOSSES = [
  ["test_loss", "test", "solid", "test loss"],
  ["train_loss", "train", "dashed", "training loss"],
];

// The blocks of all runs, from what each adds to the one before.
function sums(bytes, runs) {
  const blocks = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength).slice();
  for (const { start, size } of runs) {
    const entries = size * size;
    for (let k = start + entries; k < start + (LAST + 1) * entries; k++) blocks[k] += blocks[k - entries];
  }
  return blocks;
}

function render({ model, el }) {
  const view = makeView(model, el, "grok", "Watch it grok");
  const blocks = sums(model.get("blocks"), Object.values(model.get("runs")));
  const run = () => model.get("runs")[`${model.get("operation")} ${model.get("kernel")}`];

  const block = picture(view, { ratio: 1, draw(context, width, height) {
    const { size, start } = run();
    const first = start + model.get("iteration") * size * size;
    const values = blocks.subarray(first, first + size * size);
    heatMap(context, { x: 0, y: 0, width, height }, values, size, size, LEVELS);
  } });

  const chart = (curves, ratio, vertical = {}) => picture(view, { ratio, draw(context, width, height) {
    const at = model.get("iteration");
    const scale = chartAxes(view, context, width, height, { at, last: LAST, xLabel: "iteration", ...vertical });
    drawCurves(view, context, scale, curves, measure => run()[measure], at);
  } });
  const measures = chart(CURVES, 0.62);
  const losses = chart(LOSSES, 0.42, { ys: [0, 0.02], yTicks: [[0, "0"], [0.01, "0.01"], [0.02, "0.02"]] });
  for (const { canvas } of [measures, losses]) scrub(view, canvas, { name: "iteration", last: LAST });

  const words = caption();
  view.root.append(
    element("div", { class: "rfm-controls" },
      choice(view, { name: "operation", label: "operation", options: Object.entries(SYMBOLS) }),
      choice(view, { name: "kernel", label: "kernel", options: KERNELS.map(name => [name, name]) }),
      player(view, { name: "iteration", last: LAST, pause: 350 }),
      slider(view, { name: "iteration", label: "iteration", min: 0, max: LAST }),
    ),
    element("div", { class: "rfm-pictures" },
      element("div", {}, block.canvas, words),
      element("div", {}, measures.canvas, legend(CURVES), losses.canvas, legend(LOSSES)),
    ),
    view.sentence,
  );

  follow(model, ["operation", "kernel", "iteration"], () => {
    const at = model.get("iteration");
    const value = measure => run()[measure][at];
    const names = `${SYMBOLS[model.get("operation")]} mod ${MODULUS} with the ${model.get("kernel")} kernel`;
    for (const one of [block, measures, losses]) one.redraw();
    words.textContent = at === 0
      ? "Block of digit a (rows) and digit b (columns): empty at step 0, where M is the identity."
      : `Block of digit a (rows) and digit b (columns), ${OPERATIONS[model.get("operation")].order}: red above zero, `
        + `blue below, darkest at ±${fixed(run().scales[at], 3)}.`;
    block.describe(`Heat map of ${run().size} × ${run().size} entries. ${words.textContent}`);
    measures.describe(`Line plot over ${LAST} iterations, now at ${at}: `
      + CURVES.filter(([m]) => value(m) !== null).map(([m,,, text]) => `${text} ${fixed(value(m), 2)}`).join(", ") + ".");
    losses.describe(`Line plot over ${LAST} iterations, now at ${at}: `
      + LOSSES.map(([m,,, text]) => `${text} ${fixed(value(m), 4)}`).join(", ") + ".");
    const shape = value("deviation") === null
      ? "The block is still empty" : `Circulant deviation ${fixed(value("deviation"), 2)}`;
    tell(view, `Step ${at} of ${LAST}, ${names}: right on ${fixed(100 * value("test_accuracy"), 1)} % of the hidden `
      + `cells and on ${fixed(100 * value("train_accuracy"), 1)} % of the training cells. `
      + `Test loss ${fixed(value("test_loss"), 4)}. `
      + `${shape}, alignment with the last matrix ${fixed(value("alignment"), 2)}.`);
  }, view.cleanups);
  return cleanUp(view);
}

export default { render };
