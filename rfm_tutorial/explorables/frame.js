// What every explorable stands in, with or without a picture: elements, state, the frame.

// ---- Elements -------------------------------------------------------------------------------

const CONTROLS = ["button", "canvas", "input", "select"];

// element("p", {class: "x", onclick: f, "aria-live": "polite"}, "text", child)
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  // In JupyterLab, arrow keys would go to the notebook instead and move from cell to cell.
  if (CONTROLS.includes(tag)) made.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// ---- State ----------------------------------------------------------------------------------

// Write to the state. With a kernel the change travels to Python; without one it stays here.
function assign(model, changes) {
  for (const [name, value] of Object.entries(changes)) model.set(name, value);
  model.save_changes();
}

// Call `update` now and whenever one of the named parts of the state changes.
function follow(model, names, update, cleanups) {
  for (const name of names) {
    model.on(`change:${name}`, update);
    cleanups.push(() => model.off(`change:${name}`, update));
  }
  update();
}

// ---- Buttons and captions -------------------------------------------------------------------

function button(label, action, attributes = {}) {
  return element("button", { type: "button", class: "rfm-button", onclick: action, ...attributes }, label);
}

function caption(text = "") {
  return element("p", { class: "rfm-caption" }, text);
}

// ---- The frame ------------------------------------------------------------------------------

// What `render` works with: view.model, view.root, view.cleanups (functions to call at the end),
// view.sentence (the paragraph that says what is shown; set it with `tell`).
function makeView(model, el, name, title) {
  const root = element("section", { class: `rfm-explorable rfm-${name}`, "aria-label": title });
  const sentence = element("p", { class: "rfm-sentence", "aria-live": "polite" });
  el.append(root);
  return { model, root, sentence, playing: false, cleanups: [() => root.remove()] };
}

// Say what is shown. While something plays, screen readers are not told of each step.
function tell(view, text, { quietly = view.playing } = {}) {
  view.sentence.setAttribute("aria-live", quietly ? "off" : "polite");
  if (view.sentence.textContent !== text) view.sentence.textContent = text;
}

function cleanUp(view) {
  return () => { for (const cleanup of view.cleanups.splice(0)) cleanup(); };
}

export { assign, button, caption, cleanUp, element, follow, makeView, tell };
