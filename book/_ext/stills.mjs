// Explorables as they stand before anything runs in a page: HTML, with each canvas as an SVG.
//
// Their own scripts draw them, in a document that is as large as they need. Reads a list of models {state, buffers}
// and writes a list of HTML. Colours stay variables of the style sheet, so that a still follows the theme.

import { readFileSync } from "node:fs";
import process from "node:process";
import { crc32, deflateSync } from "node:zlib";

const ALONE = 700; // the width of a canvas that has a line to itself, in px
const BESIDE = 340; // of one that stands beside others
const LONGEST = 60_000; // ms for what a script computes
const ONE_SIDED = new Set(["br", "col", "hr", "img", "input"]);
const CONTROLS = new Set(["button", "input", "select"]);

const escaped = text => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");
const written = attributes => Object.entries(attributes).map(([name, value]) => ` ${name}="${escaped(value)}"`).join("");
const short = number => String(Math.round(10 * number) / 10);

// ---- A picture, as SVG ----------------------------------------------------------------------

// A PNG of [red, green, blue, opacity] bytes, without the opacity.
function png({ data, width, height }) {
  const rows = Buffer.alloc(height * (1 + 3 * width));
  for (let i = 0; i < width * height; i++) {
    const [row, column] = [Math.floor(i / width), i % width];
    rows.set(data.subarray(4 * i, 4 * i + 3), row * (1 + 3 * width) + 1 + 3 * column);
  }
  const chunk = (name, content) => {
    const named = Buffer.concat([Buffer.from(name), content]);
    const [size, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    size.writeUInt32BE(content.length);
    check.writeUInt32BE(crc32(named));
    return Buffer.concat([size, named, check]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2], 8); // bits a colour, three colours
  const start = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  const parts = [chunk("IHDR", head), chunk("IDAT", deflateSync(rows, { level: 9 })), chunk("IEND", Buffer.alloc(0))];
  return Buffer.concat([start, ...parts]).toString("base64");
}

// What is drawn on a canvas. Has what the explorables call, no more: anything else fails the build.
class Drawing {
  constructor() {
    Object.assign(this, { cells: [], parts: [], path: "", kept: [], dash: [], globalAlpha: 1, lineWidth: 1, textAlign: "start" });
  }

  add(tag, attributes, content = "") {
    const opacity = this.globalAlpha === 1 ? {} : { opacity: this.globalAlpha };
    this.parts.push(`<${tag}${written({ ...attributes, ...opacity })}>${content}</${tag}>`);
  }

  setTransform() {}

  setLineDash(dash) { this.dash = dash; }

  clearRect() { [this.cells, this.parts] = [[], []]; }

  save() {
    const { dash, fillStyle, globalAlpha, lineWidth, strokeStyle, textAlign, textBaseline } = this;
    this.kept.push({ dash, fillStyle, globalAlpha, lineWidth, strokeStyle, textAlign, textBaseline });
  }

  restore() { Object.assign(this, this.kept.pop()); }

  beginPath() { this.path = ""; }

  moveTo(x, y) { this.path += `M${short(x)} ${short(y)}`; }

  lineTo(x, y) { this.path += `${this.path ? "L" : "M"}${short(x)} ${short(y)}`; }

  arc(x, y, radius) { // all round: no explorable draws less
    const turn = `A${short(radius)} ${short(radius)} 0 1 1 `;
    this.path += `M${short(x + radius)} ${short(y)}${turn}${short(x - radius)} ${short(y)}`
      + `${turn}${short(x + radius)} ${short(y)}`;
  }

  pen() {
    const dashed = this.dash.length ? { "stroke-dasharray": this.dash.join(" ") } : {};
    return { fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth, ...dashed };
  }

  stroke() { this.add("path", { d: this.path, ...this.pen() }); }

  fill() { this.add("path", { d: this.path, fill: this.fillStyle }); }

  box(x, y, width, height, look) {
    this.add("rect", { x: short(x), y: short(y), width: short(width), height: short(height), ...look });
  }

  // Squares with a colour of their own are the cells of a table, drawn side by side before all else: one small image.
  fillRect(x, y, width, height) {
    if (this.fillStyle.startsWith("rgb(")) this.cells.push({ x, y, width, colour: this.fillStyle.match(/\d+/g).map(Number) });
    else this.box(x, y, width, height, { fill: this.fillStyle });
  }

  strokeRect(...place) { this.box(...place, this.pen()); }

  fillText(text, x, y) {
    const anchor = { center: "middle", right: "end" }[this.textAlign] ?? "start";
    const dy = { bottom: "-0.2em", middle: "0.35em", top: "0.8em" }[this.textBaseline] ?? "0";
    this.add("text", { x: short(x), y: short(y), dy, "text-anchor": anchor, fill: this.fillStyle }, escaped(text));
  }

  drawImage({ image }, x, y, width, height) {
    const look = { preserveAspectRatio: "none", style: "image-rendering: pixelated" };
    this.add("image", { x, y, width, height, ...look, href: `data:image/png;base64,${png(image)}` });
  }

  // All that is drawn on a square of this width.
  svg(width) {
    if (!this.cells.length) return this.parts.join("");
    const n = Math.round(width / (this.cells[0].width - 0.5)); // neighbours overlap by half a pixel
    const image = new ImageData(n, n);
    for (const { x, y, colour } of this.cells) {
      image.data.set(colour, 4 * (Math.round((y / width) * n) * n + Math.round((x / width) * n)));
    }
    const others = this.parts;
    this.parts = [];
    this.drawImage({ image }, 0, 0, width, width);
    return [...this.parts, ...others].join("");
  }
}

class OffscreenCanvas {
  getContext() {
    return { putImageData: image => { this.image = image; } };
  }
}

class ImageData {
  constructor(width, height) {
    Object.assign(this, { width, height, data: new Uint8ClampedArray(4 * width * height) });
  }
}

// ---- A document -----------------------------------------------------------------------------

class Part {
  constructor(tag) {
    Object.assign(this, { tag, attributes: {}, childNodes: [], dataset: {}, drawing: new Drawing(), style: {}, value: "" });
    this.classList = { toggle: (name, on) => {
      const others = (this.attributes.class ?? "").split(" ").filter(one => one && one !== name);
      this.attributes.class = (on ? [...others, name] : others).join(" ");
    } };
  }

  addEventListener() {}

  append(...nodes) {
    for (const node of nodes) if (node instanceof Part) node.parent = this;
    this.childNodes.push(...nodes);
  }

  replaceChildren(...nodes) {
    this.childNodes = [];
    this.append(...nodes);
  }

  insertAdjacentHTML(_, html) { this.childNodes.unshift({ html: () => html }); }

  setAttribute(name, value) { this.attributes[name] = value; }

  removeAttribute(name) { delete this.attributes[name]; }

  querySelector(tag) {
    return this.children.find(one => one.tag === tag) ?? this.children.map(one => one.querySelector(tag)).find(Boolean);
  }

  getContext() { return this.drawing; }

  get children() { return this.childNodes.filter(node => node instanceof Part); }

  get firstChild() { return this.childNodes[0]; }

  get id() { return this.attributes.id; }

  get textContent() { return this.childNodes.map(node => node.textContent ?? node).join(""); }

  set textContent(text) { this.childNodes = [String(text)]; }

  get clientWidth() { return this.besideOthers() ? BESIDE : ALONE; }

  besideOthers() {
    return Boolean(this.parent) && (this.parent.attributes.class === "rfm-pictures" || this.parent.besideOthers());
  }

  // Nothing answers yet: controls are switched off, and the Tab key passes by.
  html() {
    if (this.tag === "canvas") return this.svg();
    const { tabindex: _, ...attributes } = this.attributes;
    if (CONTROLS.has(this.tag)) attributes.disabled = "";
    for (const name of ["checked", "selected"]) if (this[name]) attributes[name] = "";
    for (const name of ["max", "value"]) if (this.tag === "input" && (this[name] ?? "") !== "") attributes[name] = this[name];
    const style = Object.entries(this.style).map(([name, value]) => `${name}: ${value}`).join("; ");
    if (style) attributes.style = style;
    if (this.selectedIndex >= 0) this.children[this.selectedIndex].selected = true;
    const start = `<${this.tag}${written(attributes)}>`;
    if (ONE_SIDED.has(this.tag)) return start;
    return `${start}${this.childNodes.map(node => node.html?.() ?? escaped(node)).join("")}</${this.tag}>`;
  }

  svg() {
    const { class: name, role, "aria-label": label } = this.attributes;
    const size = `0 0 ${this.width} ${this.height}`;
    return `<svg${written({ class: name, role, "aria-label": label, viewBox: size, "font-size": 12 })}>`
      + `${this.drawing.svg(this.width)}</svg>`;
  }
}

class Watcher {
  observe() {}

  disconnect() {}
}

const nothing = () => {};
const made = (...names) => new Part(names.at(-1));
Math.random = () => 0.5; // the same page in every build
Object.assign(globalThis, {
  ImageData,
  MutationObserver: Watcher,
  OffscreenCanvas,
  ResizeObserver: Watcher,
  cancelAnimationFrame: nothing,
  document: {
    activeElement: null,
    addEventListener: nothing,
    body: {},
    createElement: made,
    createElementNS: made,
    documentElement: {},
  },
  getComputedStyle: () => ({ fontFamily: "inherit", getPropertyValue: name => `var(${name})` }),
  localStorage: { getItem: () => null },
  window: {
    addEventListener: nothing,
    devicePixelRatio: 1,
    matchMedia: () => ({ addEventListener: nothing, matches: false }),
  },
});

// ---- All of them ----------------------------------------------------------------------------

const [, , widgets] = process.argv;
const { StaticModel, read } = new Function(`${readFileSync(widgets, "utf8")}; return { StaticModel, read };`)();

async function still(saved) {
  const model = new StaticModel(await read(saved));
  const widget = new Function(model.get("_esm").replace(/^export default /m, "return "))();
  const el = new Part("div");
  await widget.render({ model, el });
  const until = Date.now() + LONGEST;
  while (el.firstChild.attributes["aria-busy"] === "true") {
    if (Date.now() > until) throw new Error(`after ${LONGEST} ms an explorable is still computing`);
    await new Promise(done => { setTimeout(done, 5); });
  }
  return el.firstChild.html();
}

process.stdin.setEncoding("utf8");
let asked = "";
for await (const piece of process.stdin) asked += piece;
const stills = [];
for (const saved of JSON.parse(asked)) stills.push(await still(saved));
process.stdout.write(JSON.stringify(stills), () => process.exit());
