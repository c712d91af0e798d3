// Paint a circulant: bars that can be drawn, and a kernel machine that answers at once.

import { assign, button, caption, cleanUp, element, follow, makeView, picture, slider, tell } from "./common.js";
import { arrangement, circulantBlock, circulantDeviation, circulantMatrix, modulo } from "./blocks.js";
import {
  SETTINGS, blockAndAnswers, blockPicture, drawAnswers, keptSplit, settingsControls, taskInWords,
} from "./in_page.js";
import { SingularKernelError, blockFeatures, fitKernelRidge, identity, predict, rightAnswers } from "./numerics.js";
import { randomNormals } from "./random.js";
import { fixed, rounded } from "./wording.js";

const { BANDWIDTH, EXACT, LARGEST_NOISE, LARGEST_ROW_SEED, NOISE_SEED } = given;
const REACH = 3; // the bars go from -3 to 3
const STEP = 0.25;

const blockSize = model => arrangement(model.get("modulus"), model.get("operation")).rows.length;

// Root mean square, then the painted circulant matrix with its noise.
function paintedBlock(row, noise) {
  const size = Math.sqrt(row.reduce((sum, value) => sum + value ** 2, 0) / row.length);
  const added = randomNormals(row.length ** 2, NOISE_SEED);
  return circulantMatrix(row).map((value, k) => value + noise * size * added[k]);
}

// What a kernel machine with these features answers; `right` is missing if it has no solution.
function answer(split, M) {
  try {
    const model = fitKernelRidge(split.train, M, split.p, BANDWIDTH);
    const scores = predict(model, split.test);
    return { scores, right: rightAnswers(scores, split.test.labels, split.p) };
  } catch (error) {
    if (error instanceof SingularKernelError) return {};
    throw error;
  }
}

const count = right => right.filter(Boolean).length;
const percent = right => `${rounded((100 * count(right)) / right.length, 0)} %`;

// Everything that is shown, from the state.
function workOut(model, split, plain) {
  const [row, noise] = [model.get("row"), model.get("noise")];
  const [p, operation] = [model.get("modulus"), model.get("operation")];
  if (!row.some(value => value !== 0)) return { right: plain, block: new Float64Array(row.length ** 2) };
  const M = blockFeatures(paintedBlock(row, noise), p, operation);
  const block = circulantBlock(M, p, operation);
  return { M, block, deviation: circulantDeviation(block), ...answer(split, M) };
}

function paintInWords(model, { M, deviation, right }, plain) {
  const task = taskInWords(model);
  const without = `with M = I, ${percent(plain)}.`;
  if (!M) return `${task}. All bars are at zero, so there is no block; ${without}`;
  const start = `${task}. The block ${deviation < EXACT ? "is circulant." : `has deviation ${rounded(deviation, 2)}.`}`;
  if (!right) return `${start} With it the kernel matrix is singular, and there is no answer.`;
  return `${start} With it the kernel machine answers ${count(right)} of ${right.length} new pairs right, `
    + `${percent(right)}; ${without}`;
}

// ---- The bars: drawn with mouse or finger, or moved one by one with the arrow keys -----------------

// Move bars to new values; `moves` are [place, value] pairs.
function setBars(model, moves) {
  const row = [...model.get("row")];
  for (const [place, value] of moves) {
    row[place] = Math.min(REACH, Math.max(-REACH, Math.round(value / STEP) * STEP));
  }
  assign(model, { row });
}

// One bar; only the one that was last used is reached with the tab key, as in a group of radio buttons.
function makeBar(model, place, choose) {
  const bar = element("div", {
    class: "rfm-bar", role: "slider", "aria-label": `bar ${place}`, "aria-orientation": "vertical",
    "aria-valuemin": -REACH, "aria-valuemax": REACH, tabindex: place ? -1 : 0,
  }, element("div", { class: "rfm-bar-fill" }));
  bar.addEventListener("keydown", event => {
    const value = model.get("row")[place];
    const moves = {
      ArrowUp: value + STEP, ArrowDown: value - STEP, PageUp: value + 4 * STEP, PageDown: value - 4 * STEP,
      Home: -REACH, End: REACH, Delete: 0, 0: 0,
    };
    if (event.key in moves) setBars(model, [[place, moves[event.key]]]);
    else if (event.key === "ArrowRight") choose(place + 1);
    else if (event.key === "ArrowLeft") choose(place - 1);
    else return;
    event.preventDefault();
  });
  return bar;
}

function showBar(bar, value) {
  const share = Math.min(1, Math.abs(value) / REACH);
  const fill = bar.firstChild;
  fill.style.height = `${50 * share}%`;
  fill.style.top = `${value < 0 ? 50 : 50 - 50 * share}%`;
  bar.classList.toggle("rfm-below", value < 0);
  bar.setAttribute("aria-valuenow", value);
  bar.setAttribute("aria-valuetext", fixed(value, 2));
}

// The group of bars and a line that says where the one in use stands. `show` takes the row and makes
// new bars where their number has changed.
function makeBars(model) {
  const group = element("div", { class: "rfm-bars", role: "group", "aria-label": "first row of the block" });
  const readout = element("p", { class: "rfm-caption rfm-readout", "aria-hidden": "true" });
  let chosen = 0;
  const read = () => {
    readout.textContent = `bar ${chosen} stands at ${fixed(model.get("row")[chosen], 2).replace("-", "−")}`;
  };
  const choose = place => {
    const bars = [...group.children];
    chosen = modulo(place, bars.length);
    bars.forEach((bar, i) => { bar.setAttribute("tabindex", i === chosen ? 0 : -1); });
    bars[chosen].focus({ preventScroll: true });
    read();
  };
  // The last point of the stroke. A fast hand skips bars; they take the values in between.
  let last;
  const paint = event => {
    if (event.buttons !== 1) return;
    const { left, top, width, height } = group.getBoundingClientRect();
    const n = group.children.length;
    const place = Math.min(n - 1, Math.max(0, Math.floor(((event.clientX - left) / width) * n)));
    const value = REACH * (1 - (2 * (event.clientY - top)) / height);
    const from = last ?? { place, value };
    const length = Math.abs(place - from.place);
    const moves = Array.from({ length }, (_, i) => [
      from.place + Math.sign(place - from.place) * i, from.value + ((value - from.value) * i) / length,
    ]);
    setBars(model, [...moves.slice(1), [place, value]]);
    last = { place, value };
    choose(place);
  };
  group.addEventListener("pointerdown", event => {
    // A finger or mouse that leaves the bars while it draws still draws.
    group.setPointerCapture(event.pointerId);
    event.preventDefault();
    last = undefined;
    paint(event);
  });
  group.addEventListener("pointermove", paint);
  const show = row => {
    if (group.children.length !== row.length) {
      group.replaceChildren(...row.map((_, place) => makeBar(model, place, choose)));
      chosen = 0;
    }
    row.forEach((value, place) => { showBar(group.children[place], value); });
    read();
  };
  return { group, readout, show };
}

// ---- All of it ---------------------------------------------------------------------------------------

const SHAPES = [
  ["One bar", () => (_, i) => (i === 0 ? 2 : 0)],
  ["One wave", n => (_, i) => 2 * Math.cos((2 * Math.PI * i) / n)],
  ["All equal", () => () => 1],
  ["Clear", () => () => 0],
];

function render({ model, el }) {
  const view = makeView(model, el, "paint", "Paint a circulant");
  const split = keptSplit(model);
  let shown = {};
  let [plainKey, plain] = [undefined, []];
  const baseline = () => {
    if (plainKey !== split()) {
      plainKey = split();
      plain = answer(plainKey, identity(2 * plainKey.p)).right;
    }
    return plain;
  };

  const bars = makeBars(model);
  const buttons = SHAPES.map(([label, shape]) => button(label, () => {
    const n = blockSize(model);
    assign(model, { row: Array.from({ length: n }, shape(n)) });
  }));
  buttons.unshift(button("Random row", () => {
    assign(model, { row_seed: (model.get("row_seed") + 1) % (LARGEST_ROW_SEED + 1) });
  }));
  const block = blockPicture(view, () => shown.block);
  const answers = picture(view, { ratio: 1, draw(context, width) {
    if (shown.split) drawAnswers(view, context, width, shown.split, shown.right ?? []);
  } });
  view.root.append(
    element("div", { class: "rfm-controls" }, ...settingsControls(view),
      slider(view, {
        name: "noise", label: "noise", min: 0, max: LARGEST_NOISE, step: 0.1, say: noise => fixed(noise, 1),
      })),
    element("div", { class: "rfm-controls" }, ...buttons),
    caption("The first row of the block: draw on it, or move along with ← → and change a bar with ↑ ↓."),
    bars.group,
    bars.readout,
    view.sentence,
    element("div", { class: "rfm-pictures" }, ...blockAndAnswers(view, block, answers)),
  );

  // A row that does not fit, or another random one: as in Python.
  let rowSeed = model.get("row_seed");
  follow(model, ["operation", "modulus", "row_seed"], () => {
    const n = blockSize(model);
    if (model.get("row_seed") === rowSeed && model.get("row").length === n) return;
    rowSeed = model.get("row_seed");
    assign(model, { row: [...randomNormals(n, rowSeed)] });
  }, view.cleanups);

  let waiting = 0;
  const update = () => {
    waiting = 0;
    if (model.get("row").length !== blockSize(model)) return;
    shown = { split: split(), ...workOut(model, split(), baseline()) };
    block.redraw();
    answers.redraw();
    const words = paintInWords(model, shown, baseline());
    const n = Math.sqrt(shown.block.length);
    block.describe(`Heat map of ${n} × ${n} entries: ${shown.M ? "red above zero, blue below" : "all zero"}.`);
    answers.describe(`The table of all pairs: ${shown.split.train.n} training pairs, `
      + `${shown.right ? `${count(shown.right)} new pairs right` : "no answer to a new pair"}.`);
    Object.assign(view.root.dataset, {
      testAccuracy: shown.right ? count(shown.right) / shown.right.length : "",
      deviation: shown.deviation ?? "",
    });
    view.root.removeAttribute("aria-busy");
    tell(view, words);
  };
  // The bars follow the hand at once; the kernel machine, some 50 ms of work, when they are drawn.
  follow(model, [...SETTINGS, "row", "noise"], () => {
    bars.show(model.get("row"));
    view.root.setAttribute("aria-busy", "true");
    waiting ||= setTimeout(update, 20);
  }, view.cleanups);
  view.cleanups.push(() => clearTimeout(waiting));
  return cleanUp(view);
}

export default { render };
