// Controls, words and a picture for the explorables that compute on a small table in the page.

import { caption, choice, colour, element, follow, heatMap, largest, line, picture, slider } from "./common.js";
import { OPERATIONS } from "./blocks.js";
import { splitTable } from "./numerics.js";
import { rounded } from "./wording.js";

const { FRACTIONS, LARGEST_SEED, MODULI, SYMBOLS } = given;
const SETTINGS = ["operation", "modulus", "train_fraction", "seed"];

function settingsControls(view) {
  return [
    choice(view, { name: "operation", label: "operation", options: Object.entries(SYMBOLS) }),
    choice(view, { name: "modulus", label: "modulus p", options: MODULI.map(p => [p, `${p}`]) }),
    slider(view, {
      name: "train_fraction", label: "table to train on", min: FRACTIONS[0], max: FRACTIONS[1], step: 0.05,
      say: fraction => `${rounded(100 * fraction, 0)} %`,
    }),
    slider(view, { name: "seed", label: "seed of the split", min: 0, max: LARGEST_SEED }),
  ];
}

function taskInWords(model) {
  const [operation, p, fraction] = SETTINGS.map(name => model.get(name));
  return `${SYMBOLS[operation]} mod ${p}, ${rounded(100 * fraction, 0)} % to train on`;
}

// The split of the current settings; the last one is kept.
function keptSplit(model) {
  let [key, split] = ["", undefined];
  return () => {
    const settings = SETTINGS.map(name => model.get(name));
    if (key !== settings.join()) {
      key = settings.join();
      const [operation, p, fraction, seed] = settings;
      split = splitTable(operation, p, fraction, seed);
    }
    return split;
  };
}

// A square heat map of what `values()` gives, if there is something.
function blockPicture(view, values) {
  return picture(view, { ratio: 1, draw(context, width, height) {
    const block = values();
    if (!block) return;
    const n = Math.sqrt(block.length);
    heatMap(context, { x: 0, y: 0, width, height }, block, n, n, largest(block));
  } });
}

// The table of all pairs, a downwards and b to the right: training pairs are plain, new pairs are
// filled where the answer is right and crossed out where it is wrong.
function drawAnswers(view, context, width, { p, train, test }, right) {
  const cell = width / p;
  const at = (a, b) => [b * cell + 0.5, a * cell + 0.5, cell - 1, cell - 1];
  context.fillStyle = colour(view, "grid");
  for (let i = 0; i < train.n; i++) context.fillRect(...at(train.a[i], train.b[i]));
  context.lineWidth = 1.5;
  for (let i = 0; i < test.n; i++) {
    const [x, y, size] = at(test.a[i], test.b[i]);
    context.fillStyle = colour(view, "test");
    if (right[i]) context.fillRect(x, y, size, size);
    if (right[i]) continue;
    context.strokeStyle = colour(view, "deviation");
    line(context, [[x + 2, y + 2], [x + size - 2, y + size - 2]]);
    line(context, [[x + size - 2, y + 2], [x + 2, y + size - 2]]);
  }
}

// What stands above the block, in the words of the operation.
function blockCaption(view) {
  const made = caption();
  follow(view.model, ["operation"], () => {
    made.textContent = `Block of digit a (rows) and digit b (columns): ${OPERATIONS[view.model.get("operation")].order}`;
  }, view.cleanups);
  return made;
}

// What the marks in the table mean.
function answersKey() {
  const keyFor = (kind, text) => (
    element("li", {}, element("span", { class: `rfm-mark rfm-mark-${kind}`, "aria-hidden": "true" }), text)
  );
  return element("ul", { class: "rfm-legend" },
    keyFor("train", "training pair"), keyFor("right", "new pair, right"), keyFor("wrong", "new pair, wrong"));
}

// The two pictures side by side, with what stands above and below them.
function blockAndAnswers(view, block, answers) {
  return [
    element("div", {}, blockCaption(view), block.canvas),
    element("div", {}, caption("The table: a downwards, b to the right"), answers.canvas, answersKey()),
  ];
}

export {
  SETTINGS, answersKey, blockAndAnswers, blockPicture, drawAnswers, keptSplit, settingsControls, taskInWords,
};
