// Shows the explorables on a page of the website, where there is no kernel.
//
// The state of a page's widgets stands in the page. Each explorable (an anywidget) brings its own
// script in that state; all that script needs is an object to read and write the state. So the
// usual way, three megabytes of widget manager from a content delivery network, is not needed, and
// the page works from a disk and without the internet.
//
// What is long in that state, scripts and the data of runs, stands in files of their own (see
// stills.py), which are fetched when the page has been painted. Until then a still is in its place.

class StaticModel {
  constructor(state) {
    this.state = state;
    this.listeners = {};
  }

  get(name) {
    return this.state[name];
  }

  set(name, value) {
    if (this.state[name] === value) return;
    this.state[name] = value;
    for (const event of [`change:${name}`, "change"]) {
      for (const listener of [...(this.listeners[event] ?? [])]) listener(this, value);
    }
  }

  on(event, listener) {
    this.listeners[event] ??= [];
    this.listeners[event].push(listener);
  }

  off(event, listener) {
    this.listeners[event] = (this.listeners[event] ?? []).filter(other => other !== listener);
  }

  // Where there is a kernel, these two talk to it.
  save_changes() {}
  send() {}
}

const FILE = "rfm-file";
const here = document.currentScript?.src;
const fetched = {};

// A value from a file. Files are scripts: a page that was opened from a disk may run them, and may not read others.
function fetchFile(name) {
  fetched[name] ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(`explorables/${name}.js`, here);
    script.onload = () => resolve(globalThis.rfmFiles[name]);
    script.onerror = reject;
    document.head.append(script);
  });
  return fetched[name];
}

const bytesOf = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));

// The bytes of a trait, which a file has in compressed form.
async function readBytes(data) {
  if (!data[FILE]) return new DataView(bytesOf(data).buffer);
  const packed = new Blob([bytesOf(await fetchFile(data[FILE]))]);
  const bytes = packed.stream().pipeThrough(new DecompressionStream("deflate"));
  return new DataView(await new Response(bytes).arrayBuffer());
}

// The state of a widget as it was saved, with all that stands elsewhere.
async function read({ state, buffers = [] }) {
  const values = Object.entries(state).map(async ([name, value]) => [
    name, value?.[FILE] ? await fetchFile(value[FILE]) : value,
  ]);
  const bytes = buffers.map(async ({ path, data }) => [path[0], await readBytes(data)]);
  return Object.fromEntries(await Promise.all([...values, ...bytes]));
}

async function showWidget(place, models) {
  const { model_id: id } = JSON.parse(place.textContent);
  const saved = models[id];
  const el = document.createElement("div");
  if (!saved?.state._esm) {
    el.textContent = "This control needs Python: open the chapter in Jupyter.";
    place.after(el);
    return;
  }
  const state = await read(saved);
  if (state._css) {
    const style = document.createElement("style");
    style.textContent = state._css;
    place.before(style);
  }
  const url = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  URL.revokeObjectURL(url);
  const still = place.nextElementSibling;
  place.after(el);
  await widget.render({ model: new StaticModel(state), el });
  if (still?.matches(".rfm-still")) still.remove();
  el.dataset.shown = "true";
  // A cell with the tag `plays` begins by itself, for who does not wish for less motion.
  if (place.closest(".tag_plays") && !window.matchMedia("(prefers-reduced-motion: reduce)").matches) {
    el.querySelector(".rfm-play").click();
  }
}

function showAll() {
  const kind = "application/vnd.jupyter.widget";
  const models = {};
  for (const script of document.querySelectorAll(`script[type="${kind}-state+json"]`)) {
    Object.assign(models, JSON.parse(script.textContent).state);
  }
  for (const place of document.querySelectorAll(`script[type="${kind}-view+json"]`)) {
    showWidget(place, models);
  }
}

document.addEventListener("DOMContentLoaded", () => requestAnimationFrame(() => setTimeout(showAll)));
