// The answer to a guess, beside what the reader guessed.

import { cleanUp, element, follow, makeView, tell } from "./frame.js";
import { answerInWords, followKept, inWords, isRight, placeOf } from "./keeping.js";

function sentenceFor(guess, answer) {
  const [said, is] = [inWords(guess), answerInWords(guess, answer)];
  const [middle, start] = guess.choices.length ? ["the answer is", "The answer is"] : ["it is", "It is"];
  if (!said) return `${start} ${is}.`;
  return isRight(guess, answer) ? `You said ${said}, and ${middle} ${is}.` : `You said ${said}. ${start} ${is}.`;
}

function render({ model, el }) {
  const view = makeView(model, el, "answer", "Your guess and the answer");
  const guess = model.get("guess");
  const note = element("span");
  const link = element("a", { href: `#${placeOf(guess)}`, onclick: click => {
    const field = document.getElementById(placeOf(guess));
    if (!field) return;
    click.preventDefault(); // the address stays, and the field is ready to be typed into
    const control = field.matches("input") ? field : field.querySelector(":checked") ?? field.querySelector("input");
    control.focus({ preventScroll: true });
    field.scrollIntoView({ block: "center" });
  } });
  view.root.append(
    element("p", { class: "rfm-asked" }, guess.question), view.sentence,
    element("p", { class: "rfm-caption rfm-back" }, note, link),
  );
  // Quietly: who listens while typing a guess, further up, shall not hear the answer.
  const update = () => {
    const said = inWords(guess);
    note.textContent = said ? "" : "(You made no guess.) ";
    link.textContent = said ? "Change your guess" : "Make one";
    tell(view, `${sentenceFor(guess, model.get("answer"))} ${model.get("text")}`.trim(), { quietly: true });
  };
  follow(model, ["answer", "text"], update, view.cleanups);
  followKept(update, view.cleanups);
  return cleanUp(view);
}

export default { render };
