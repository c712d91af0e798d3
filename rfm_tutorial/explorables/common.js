// Controls, pictures and charts, and what frame.js has: shared by the explorables with a picture.

import { assign, button, caption, cleanUp, element, follow, makeView, tell } from "./frame.js";

// ---- Controls: native ones, which bring keyboard and roles with them ------------------------

// A slider for the numeric trait `name`; `say(value)` is the value in words, shown and read out.
function slider(view, { name, label, min, max, step = 1, say = String }) {
  // An output is read aloud at every change; a slider already says its value to who moves it.
  const output = element("output", { "aria-live": "off" });
  const input = element("input", { type: "range", min, max, step });
  input.addEventListener("input", () => assign(view.model, { [name]: Number(input.value) }));
  follow(view.model, [name], () => {
    const value = view.model.get(name);
    input.value = value;
    output.textContent = say(value);
    input.setAttribute("aria-valuetext", say(value));
  }, view.cleanups);
  return element("label", { class: "rfm-control rfm-slider" }, element("span", {}, label), input, output);
}

// A drop-down list for the trait `name`; options are [value, text] pairs.
function choice(view, { name, label, options }) {
  const input = element("select");
  for (const [value, text] of options) input.append(element("option", { value }, text));
  input.addEventListener("change", () => {
    assign(view.model, { [name]: options[input.selectedIndex][0] });
  });
  follow(view.model, [name], () => {
    const value = view.model.get(name);
    input.selectedIndex = options.findIndex(option => option[0] === value);
  }, view.cleanups);
  return element("label", { class: "rfm-control rfm-choice" }, element("span", {}, label), input);
}

function reducedMotion() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

// ---- Pictures -------------------------------------------------------------------------------

// Colours come from common.css, where the theme chooses them: colour(view, "test") is --rfm-test.
function colour(view, name) {
  return getComputedStyle(view.root).getPropertyValue(`--rfm-${name}`).trim();
}

// A canvas that is sharp on every screen, as wide as its place, and drawn again when its size or
// the theme changes. `ratio` is height / width. `draw(context, width, height)` works in CSS pixels.
// The result has .canvas, .redraw() and .describe(text), which sets the text for screen readers.
function picture(view, { ratio, draw, label = "", attributes = {} }) {
  const canvas = element("canvas", { class: "rfm-picture", role: "img", "aria-label": label, ...attributes });
  const redraw = () => {
    const width = canvas.clientWidth;
    if (width === 0) return;
    const height = Math.round(width * ratio);
    const scale = window.devicePixelRatio || 1;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = `12px ${getComputedStyle(view.root).fontFamily}`;
    draw(context, width, height);
  };
  const watcher = new ResizeObserver(redraw);
  watcher.observe(canvas);
  view.cleanups.push(() => watcher.disconnect());
  onThemeChange(view, redraw);
  return { canvas, redraw, describe: text => canvas.setAttribute("aria-label", text) };
}

// Themes: data-theme on the website, data-jp-theme-light in JupyterLab.
function onThemeChange(view, action) {
  const watcher = new MutationObserver(action);
  const attributeFilter = ["data-theme", "data-jp-theme-light"];
  for (const node of [document.documentElement, document.body]) {
    watcher.observe(node, { attributes: true, attributeFilter });
  }
  view.cleanups.push(() => watcher.disconnect());
}

// ---- Colours of matrices: blue below zero, red above, white at zero, as in the book's figures ----

const DIVERGING = [
  [5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [247, 247, 247],
  [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31],
];

// [red, green, blue] for a value between -limit and limit; values beyond take the last colour.
function diverging(value, limit) {
  const place = (Math.min(1, Math.max(-1, limit > 0 ? value / limit : 0)) + 1) / 2 * (DIVERGING.length - 1);
  const low = Math.min(DIVERGING.length - 2, Math.floor(place));
  return DIVERGING[low].map((part, i) => Math.round(part + (DIVERGING[low + 1][i] - part) * (place - low)));
}

// The largest absolute value.
function largest(values) {
  return values.reduce((high, value) => Math.max(high, Math.abs(value)), 0);
}

// Draw rows × columns values (row after row) into the box {x, y, width, height}.
function heatMap(context, box, values, rows, columns, limit) {
  const image = new ImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) {
    image.data.set(diverging(values[i], limit), 4 * i);
    image.data[4 * i + 3] = 255;
  }
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, box.x, box.y, box.width, box.height);
}

// ---- Charts ---------------------------------------------------------------------------------

const DASHES = { solid: [], dashed: [7, 4], dashdot: [8, 3, 2, 3], dotted: [2, 3] };

// Axes in the box {x, y, width, height}. xs and ys are [low, high]; ticks are [value, text] pairs.
// Returns {px, py}, which turn values into pixels.
function axes(view, context, box, { xs, ys, xTicks = [], yTicks = [], xLabel = "", yLabel = "" }) {
  const px = x => box.x + (x - xs[0]) / (xs[1] - xs[0]) * box.width;
  const py = y => box.y + box.height - (y - ys[0]) / (ys[1] - ys[0]) * box.height;
  context.save();
  context.lineWidth = 1;
  context.fillStyle = colour(view, "ink");
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const [value, text] of yTicks) {
    context.strokeStyle = colour(view, "grid");
    line(context, [[box.x, py(value)], [box.x + box.width, py(value)]]);
    context.fillText(text, box.x - 6, py(value));
  }
  context.strokeStyle = colour(view, "axis");
  line(context, [[box.x, box.y], [box.x, box.y + box.height], [box.x + box.width, box.y + box.height]]);
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const [value, text] of xTicks) {
    line(context, [[px(value), box.y + box.height], [px(value), box.y + box.height + 4]]);
    context.fillText(text, px(value), box.y + box.height + 6);
  }
  if (xLabel) context.fillText(xLabel, box.x + box.width / 2, box.y + box.height + 22);
  context.textAlign = "left";
  context.textBaseline = "bottom";
  if (yLabel) context.fillText(yLabel, box.x, box.y - 5);
  context.restore();
  return { px, py };
}

// The margins of a chart over x = 0, 1, 2 … last, and the ticks of what lies between 0 and 1.
const MARGIN = { left: 42, right: 12, top: 8, bottom: 36 };
const SHARES = [[0, "0"], [0.5, "0.5"], [1, "1"]];

// The axes of such a chart, with a line across it at x = `at`; returns what `axes` does.
function chartAxes(view, context, width, height, { at, last, ys = [0, 1.05], yTicks = SHARES, ...labels }) {
  const { left, right, top, bottom } = MARGIN;
  const box = { x: left, y: top, width: width - left - right, height: height - top - bottom };
  const tens = Array.from({ length: Math.floor(last / 10) + 1 }, (_, i) => [10 * i, `${10 * i}`]);
  const scale = axes(view, context, box, { xs: [0, last], ys, xTicks: tens, yTicks, ...labels });
  context.strokeStyle = colour(view, "ink");
  line(context, [[scale.px(at), box.y], [scale.px(at), box.y + box.height]]);
  return scale;
}

// Clicks and drags on a chart of `chartAxes` set the trait `name` to x / `each`; the slider does the same for the
// keyboard. A finger that moves up or down scrolls the page, one that moves sideways drags.
function scrub(view, canvas, { name, last, each = 1 }) {
  const { left, right } = MARGIN;
  const move = event => {
    if (event.buttons !== 1) return;
    const { x, width } = canvas.getBoundingClientRect();
    const share = (event.clientX - x - left) / (width - left - right);
    assign(view.model, { [name]: Math.round(Math.min(1, Math.max(0, share)) * last / each) });
  };
  canvas.classList.toggle("rfm-scrub", true);
  canvas.addEventListener("pointerdown", event => {
    canvas.setPointerCapture(event.pointerId); // beyond the edge it goes on
    move(event);
  });
  canvas.addEventListener("pointermove", move);
}

// A line through [x, y] pixels in the current stroke style.
function line(context, points) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.stroke();
}

// Curves over x = 0, 1, 2 … with a dot on each at x = `at`; `curves` are [measure, colour, dash, text],
// valuesOf(measure) the values. Where one is null or NaN there is no point.
function drawCurves(view, context, { px, py }, curves, valuesOf, at) {
  context.save();
  context.lineWidth = 2;
  for (const [measure, name, dash] of curves) {
    context.strokeStyle = colour(view, name);
    context.setLineDash(DASHES[dash]);
    const points = Array.from(valuesOf(measure), (value, i) => [px(i), value, py(value)]);
    line(context, points.filter(([, value]) => Number.isFinite(value)).map(([x, , y]) => [x, y]));
  }
  context.restore();
  for (const [measure, name] of curves) {
    const value = valuesOf(measure)[at];
    if (Number.isFinite(value)) dot(view, context, px(at), py(value), name);
  }
}

function dot(view, context, x, y, name) {
  context.save();
  context.fillStyle = colour(view, name);
  context.strokeStyle = colour(view, "paper");
  context.lineWidth = 2;
  context.beginPath();
  context.arc(x, y, 5, 0, 2 * Math.PI);
  context.fill();
  context.stroke();
  context.restore();
}

// ---- Playing, and what a line means ---------------------------------------------------------

// A button that plays the trait `name` up to `last`, one step every `pause` milliseconds. Any other
// change of the trait stops it. Who wishes for less motion gets a button for one step instead.
function player(view, { name, last, pause }) {
  const { model } = view;
  const press = () => {
    if (reducedMotion()) step();
    else if (timer) stop();
    else start();
  };
  const play = button("", press, { class: "rfm-button rfm-play" });
  let timer = null;
  let played = null;
  const show = () => {
    const moving = timer ? "Pause" : "Play";
    play.textContent = reducedMotion() ? "Next step" : moving;
  };
  const step = () => {
    played = model.get(name) >= last ? 0 : model.get(name) + 1;
    assign(model, { [name]: played });
    if (played === last) stop();
  };
  const start = () => { timer = setInterval(step, pause); view.playing = true; step(); show(); };
  const stop = () => { clearInterval(timer); timer = null; view.playing = false; show(); };
  follow(model, [name], () => { if (timer && model.get(name) !== played) stop(); }, view.cleanups);
  view.cleanups.push(stop);
  const wish = window.matchMedia("(prefers-reduced-motion: reduce)");
  wish.addEventListener("change", stop);
  view.cleanups.push(() => wish.removeEventListener("change", stop));
  show();
  return play;
}

// The meaning of lines, as words beside a piece of each; curves as for `drawCurves`.
function legend(curves) {
  return element("ul", { class: "rfm-legend" }, ...curves.map(([, name, dash, text]) => {
    const sample = `<svg width="30" height="8" aria-hidden="true"><line x1="0" y1="4" x2="30" y2="4" `
      + `stroke="var(--rfm-${name})" stroke-width="2.5" stroke-dasharray="${DASHES[dash].join(" ")}"/></svg>`;
    const item = element("li", {}, text);
    item.insertAdjacentHTML("afterbegin", sample);
    return item;
  }));
}

export {
  DASHES,
  MARGIN,
  assign,
  axes,
  button,
  caption,
  chartAxes,
  choice,
  cleanUp,
  colour,
  diverging,
  drawCurves,
  element,
  follow,
  heatMap,
  largest,
  legend,
  line,
  makeView,
  picture,
  player,
  reducedMotion,
  scrub,
  slider,
  tell,
};
