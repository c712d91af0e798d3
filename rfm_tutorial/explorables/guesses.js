// Guesses: fields for what the reader expects, kept in the reader's browser only.

import { radios } from "./choices.js";
import { caption, cleanUp, element, follow, makeView, tell } from "./frame.js";
import { followKept, keep, kept, lasting, made, numberIn, placeOf } from "./keeping.js";

const NO_NUMBER = "This is not a number. Type one such as 12 or 0.5.";

// A field and what brings it in line with what is kept: [node, update].
function choiceField(guess) {
  const { group, check } = radios({
    question: guess.question, choices: guess.choices, attributes: { id: placeOf(guess) },
    chosen: index => keep(guess, guess.choices[index]),
  });
  return [group, () => check(guess.choices.indexOf(kept(guess)))];
}

function numberField(guess) {
  const id = placeOf(guess);
  const fault = element("p", { class: "rfm-fault", id: `${id}-fault`, role: "status" });
  const input = element("input", {
    type: "text", inputmode: "decimal", autocomplete: "off", size: 8, id, "aria-describedby": fault.id,
  });
  const isNumber = () => !Number.isNaN(numberIn(input.value, guess.unit));
  const judge = () => {
    const wrong = input.value.trim() !== "" && !isNumber();
    fault.textContent = wrong ? NO_NUMBER : "";
    input.setAttribute("aria-invalid", String(wrong));
  };
  input.addEventListener("input", () => {
    keep(guess, isNumber() ? input.value.trim() : "");
    if (fault.textContent) judge(); // a fault goes as soon as it is mended, and comes when typing is done
  });
  input.addEventListener("change", judge);
  const label = element("label", { class: "rfm-field" }, element("span", {}, guess.question), input);
  if (guess.unit) label.append(element("span", {}, guess.unit));
  return [element("div", { class: "rfm-question" }, label, fault), () => {
    if (document.activeElement === input) return; // never change what is being typed
    if (kept(guess) || isNumber()) input.value = kept(guess);
    judge();
  }];
}

function render({ model, el }) {
  const view = makeView(model, el, "guesses", "Your guesses");
  const guesses = model.get("guesses");
  const fields = guesses.map(guess => (guess.choices.length ? choiceField(guess) : numberField(guess)));
  const privacy = lasting()
    ? "Your guesses stay in this browser and are sent nowhere."
    : "Your browser keeps nothing for this page: your guesses last until you leave it. They are sent nowhere.";
  view.root.append(...fields.map(([node]) => node), view.sentence, caption(privacy));
  const update = () => {
    for (const [, show] of fields) show();
    tell(view, made(guesses));
  };
  follow(model, ["guesses"], update, view.cleanups);
  followKept(update, view.cleanups);
  return cleanUp(view);
}

export default { render };
