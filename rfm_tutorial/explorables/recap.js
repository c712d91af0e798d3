// All guesses of a chapter beside their answers, and a button that forgets them.

import { button, cleanUp, element, follow, makeView, tell } from "./frame.js";
import { answerInWords, followKept, inWords, keep, made } from "./keeping.js";

const HEADS = ["Question", "You said", "It is"];

function render({ model, el }) {
  const view = makeView(model, el, "recap", "Your guesses and the answers");
  const guesses = model.get("guesses");
  const body = element("tbody");
  const forget = () => {
    for (const guess of guesses) keep(guess, "");
    tell(view, made(guesses));
  };
  view.root.append(
    element("table", { class: "rfm-recap-table" },
      element("thead", {}, element("tr", {}, ...HEADS.map(head => element("th", { scope: "col" }, head)))), body),
    view.sentence, button("Forget my guesses", forget),
  );
  const update = () => {
    const answers = model.get("answers");
    body.replaceChildren(...guesses.map((guess, i) => element("tr", {},
      element("th", { scope: "row" }, guess.question),
      element("td", {}, inWords(guess) || "no guess"),
      element("td", {}, answers[i] === null ? "not answered yet" : answerInWords(guess, answers[i])),
    )));
    tell(view, made(guesses), { quietly: true }); // the fields have said so already
  };
  follow(model, ["answers"], update, view.cleanups);
  followKept(update, view.cleanups);
  return cleanUp(view);
}

export default { render };
