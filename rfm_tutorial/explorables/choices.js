// A question with a few answers to choose from, one below the other.

import { element } from "./frame.js";

// A group of radio buttons; `chosen(index)` is called when one is. The result has .group and .check(index).
function radios({ question, choices, chosen, attributes = {} }) {
  // A name of its own: two views of one widget can stand on a page.
  const group = `rfm-${Math.random().toString(36).slice(2)}`;
  const buttons = choices.map((_, index) => element("input", {
    type: "radio", name: group, autocomplete: "off", onchange: () => chosen(index),
  }));
  const labels = choices.map((text, index) => (
    element("label", { class: "rfm-option" }, buttons[index], element("span", {}, text))
  ));
  return {
    group: element("fieldset", { class: "rfm-question", ...attributes }, element("legend", {}, question), ...labels),
    check: chosenIndex => buttons.forEach((each, index) => { each.checked = index === chosenIndex; }),
  };
}

export { radios };
