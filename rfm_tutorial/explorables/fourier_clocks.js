// Fourier clocks: everything is computed here, from the state alone.

import {
  DASHES, assign, axes, button, cleanUp, colour, element, follow, legend, line, makeView, picture, slider, tell,
} from "./common.js";
import { fourierScores, wave } from "./fourier.js";
import { fixed, listing, rounded } from "./wording.js";

const { LARGEST_MODULUS, SMALLEST_MODULUS, TIE } = given;
const FEW = 6; // waves that can be told apart
const SMOOTH = 16; // points of a drawn wave in each of its periods

function svg(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// One clock: its face is a check box's label. `update` turns the hands of a, b and both.
function clock(model, k) {
  const hands = HANDS.map(([name]) => svg("line", { class: `rfm-hand-${name}`, y2: -0.82 }));
  const face = svg("svg", { viewBox: "-1.08 -1.08 2.16 2.16", "aria-hidden": "true" });
  face.append(svg("circle", { r: 1 }), svg("line", { class: "rfm-noon", y1: -1, y2: -0.86 }), ...hands);
  const input = element("input", { type: "checkbox" });
  input.addEventListener("change", () => {
    const others = model.get("frequencies").filter(other => other !== k);
    const chosen = input.checked ? [...others, k] : others;
    assign(model, { frequencies: chosen.sort((i, j) => i - j) });
  });
  const label = element("label", { class: "rfm-clock" }, face, element("span", {}, input, ` k = ${k}`));
  const update = () => {
    const [p, a, b] = ["modulus", "a", "b"].map(name => model.get(name));
    const hours = [a, b, a + b].map(digit => (digit * k) % p);
    hands.forEach((hand, i) => { hand.setAttribute("transform", `rotate(${(360 * hours[i]) / p})`); });
    input.checked = model.get("frequencies").includes(k);
    label.classList.toggle("rfm-off", !input.checked);
    input.setAttribute("aria-label",
      `k = ${k}: the hand of a points to hour ${hours[0]}, that of b to ${hours[1]}, both together to ${hours[2]}`);
  };
  return { label, update };
}

// What is shown, from the state: the sum, the scores, the highest ones and the best of the others.
function readState(model) {
  const [p, a, b, frequencies] = ["modulus", "a", "b", "frequencies"].map(name => model.get(name));
  const sum = (a + b) % p;
  const scores = fourierScores(p, sum, frequencies);
  const top = Math.max(...scores);
  const highest = [...scores.keys()].filter(label => scores[label] > top - TIE);
  const next = Math.max(...scores.filter(score => score <= top - TIE));
  return { p, a, b, frequencies, sum, scores, top, highest, next };
}

function inWords({ p, a, b, frequencies, sum, top, highest, next }) {
  let start = `On a clock with ${p} hours, ${a} + ${b} = ${sum}.`;
  if (!frequencies.length) return `${start} No frequency is on: all scores are 0 and there is no spike.`;
  start += ` With ${frequencies.length} of ${Math.floor(p / 2) + 1} frequencies on,`;
  if (highest.length === 1) {
    return `${start} the score of ${sum} is ${rounded(top, 3)}, ahead of the next highest by ${rounded(top - next, 3)}.`;
  }
  const tied = highest.length < 5 ? `the classes ${listing(highest)}` : `${highest.length} classes`;
  return `${start} ${tied} share the highest score, ${rounded(top, 3)}: nothing tells them apart.`;
}

// The box of a chart and its axes, with every few classes below.
function classAxes(view, context, width, height, p, ys, yTicks, yLabel) {
  const box = { x: 46, y: 22, width: width - 54, height: height - 66 };
  const every = Math.ceil(p / 8);
  const xTicks = Array.from({ length: Math.ceil(p / every) }, (_, i) => [i * every, `${i * every}`]);
  const scale = axes(view, context, box, { xs: [-0.7, p - 0.3], ys, xTicks, yTicks, xLabel: "class", yLabel });
  return { ...scale, box };
}

// One wave for each clock that is on. All have a crest at the sum.
function drawWaves(view, context, width, height) {
  const { p, sum, frequencies } = readState(view.model);
  const high = 2 / p;
  const ticks = [[-high, `−${fixed(high, 2)}`], [0, "0"], [high, fixed(high, 2)]];
  const { px, py } = classAxes(view, context, width, height, p, [-1.15 * high, 1.15 * high], ticks, "votes of the clocks");
  // More than a few are a crowd: thin and alike, so that what they have in common is seen.
  const crowd = frequencies.length > FEW;
  const colours = (crowd ? ["test"] : ["test", "deviation", "alignment", "extra"]).map(name => colour(view, name));
  context.globalAlpha = crowd ? 0.3 : 1;
  context.lineWidth = crowd ? 1 : 1.5;
  for (const [i, k] of frequencies.entries()) {
    const size = wave(p, k, sum)[sum];
    const points = SMOOTH * Math.max(k, 4);
    context.strokeStyle = colours[i % colours.length];
    context.setLineDash(crowd ? [] : Object.values(DASHES)[i % 4]);
    line(context, Array.from({ length: points + 1 }, (_, j) => {
      const place = (j / points) * (p - 1);
      return [px(place), py(size * Math.cos((2 * Math.PI * k * (place - sum)) / p))];
    }));
  }
  context.globalAlpha = 1;
  context.setLineDash([2, 3]);
  context.strokeStyle = colour(view, "ink");
  line(context, [[px(sum), py(-1.15 * high)], [px(sum), py(1.15 * high)]]);
  context.setLineDash([]);
}

// The sum of the waves at each class; a dashed line at the best score that is not the highest.
function drawScores(view, context, width, height) {
  const { p, scores, frequencies, top, highest, next } = readState(view.model);
  const high = frequencies.length ? top : 1;
  const low = Math.min(0, ...scores);
  const ticks = [[0, "0"], [high, rounded(high, 2)]];
  const ys = [1.15 * low, 1.2 * high];
  const { px, py, box } = classAxes(view, context, width, height, p, ys, ticks, "sum of votes (dashed: next highest)");
  const bar = Math.max(2, (0.75 * box.width) / p);
  scores.forEach((score, label) => {
    context.fillStyle = colour(view, highest.includes(label) ? "test" : "train");
    context.fillRect(px(label) - bar / 2, Math.min(py(score), py(0)), bar, Math.abs(py(score) - py(0)));
  });
  if (!frequencies.length) return;
  context.fillStyle = colour(view, "ink");
  context.textAlign = "center";
  context.textBaseline = "bottom";
  if (highest.length < 5) for (const label of highest) context.fillText(`${label}`, px(label), py(top) - 2);
  if (!Number.isFinite(next)) return;
  context.strokeStyle = colour(view, "deviation");
  context.setLineDash(DASHES.dashed);
  context.lineWidth = 1.5;
  line(context, [[box.x, py(next)], [box.x + box.width, py(next)]]);
  context.setLineDash([]);
}

const HANDS = [
  ["a", "train", "dashed", "hand of a"],
  ["b", "deviation", "dotted", "hand of b"],
  ["product", "test", "solid", "both turned: a + b"],
];

function render({ model, el }) {
  const view = makeView(model, el, "fourier-clocks", "Fourier clocks");
  const all = () => Array.from({ length: Math.floor(model.get("modulus") / 2) + 1 }, (_, k) => k);
  const digits = ["a", "b"].map(name => (
    slider(view, { name, label: `digit ${name}`, min: 0, max: model.get("modulus") - 1 })
  ));
  const modulus = slider(view, {
    name: "modulus", label: "hours p", min: SMALLEST_MODULUS, max: LARGEST_MODULUS,
  });
  const controls = element("div", { class: "rfm-controls" }, modulus, ...digits,
    button("All on", () => assign(model, { frequencies: all() })),
    button("All off", () => assign(model, { frequencies: [] })));
  const faces = element("div", { class: "rfm-clocks", role: "group", "aria-label": "clocks, one for each frequency" });
  const waves = picture(view, { ratio: 0.62, draw: (...place) => drawWaves(view, ...place) });
  const scores = picture(view, { ratio: 0.62, draw: (...place) => drawScores(view, ...place) });
  view.root.append(controls, legend(HANDS), faces,
    element("div", { class: "rfm-pictures" }, waves.canvas, scores.canvas), view.sentence);

  let clocks = [];
  follow(model, ["modulus"], () => {
    const p = model.get("modulus");
    assign(model, {
      a: Math.min(model.get("a"), p - 1),
      b: Math.min(model.get("b"), p - 1),
      frequencies: model.get("frequencies").filter(k => k <= p / 2),
    });
    digits.forEach((label, i) => {
      const input = label.querySelector("input");
      input.max = p - 1;
      input.value = model.get(["a", "b"][i]);
    });
    clocks = all().map(k => clock(model, k));
    faces.replaceChildren(...clocks.map(({ label }) => label));
  }, view.cleanups);
  follow(model, ["modulus", "a", "b", "frequencies"], () => {
    for (const { update } of clocks) update();
    waves.redraw();
    scores.redraw();
    const state = readState(model);
    const on = state.frequencies.length;
    waves.describe(on
      ? `Waves over the classes, one for each frequency that is on: ${listing(state.frequencies)}. All have a crest at class ${state.sum}.`
      : "No wave: no frequency is on.");
    scores.describe(`Bars: the score of each class. ${inWords(state)}`);
    view.root.dataset.scores = JSON.stringify([...state.scores]);
    tell(view, inWords(state));
  }, view.cleanups);
  return cleanUp(view);
}

export default { render };
