// Shows the explorables on a page of the website, where there is no kernel.
//
// myst-nb writes the state of a page's widgets into the page. Each explorable (an anywidget) brings
// its own script in that state; all that script needs is an object to read and write the state. So
// the usual way, three megabytes of widget manager from a content delivery network, is not needed,
// and the page works from a disk and without the internet.

class StaticModel {
  constructor({ state, buffers = [] }) {
    this.state = { ...state };
    for (const { path, data } of buffers) {
      const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
      this.state[path[0]] = new DataView(bytes.buffer);
    }
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

async function showWidget(place, models) {
  const { model_id: id } = JSON.parse(place.textContent);
  const el = document.createElement("div");
  place.after(el);
  const saved = models[id];
  if (!saved?.state._esm) {
    el.textContent = "This control needs Python: open the chapter in Jupyter.";
    return;
  }
  const style = document.createElement("style");
  style.textContent = saved.state._css ?? "";
  el.before(style);
  const url = URL.createObjectURL(new Blob([saved.state._esm], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  URL.revokeObjectURL(url);
  await widget.render({ model: new StaticModel(saved), el });
  el.dataset.shown = "true";
}

document.addEventListener("DOMContentLoaded", () => {
  const kind = "application/vnd.jupyter.widget";
  const models = {};
  for (const script of document.querySelectorAll(`script[type="${kind}-state+json"]`)) {
    Object.assign(models, JSON.parse(script.textContent).state);
  }
  for (const place of document.querySelectorAll(`script[type="${kind}-view+json"]`)) {
    showWidget(place, models);
  }
});
