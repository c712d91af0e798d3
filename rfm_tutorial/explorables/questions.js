// Questions with answers to choose from: each says that it is right, or why it is wrong.

import { radios } from "./choices.js";
import { cleanUp, element, follow, makeView, tell } from "./frame.js";

function render({ model, el }) {
  const view = makeView(model, el, "questions", "Questions");
  const questions = model.get("questions");
  const chosenOf = questions.map(() => -1);
  const update = () => {
    const right = questions.filter(({ right: place }, i) => chosenOf[i] === place).length;
    const answered = chosenOf.filter(index => index >= 0).length;
    const found = answered ? ` Right: ${right}.` : "";
    // Quietly: what has just been chosen is answered below it.
    tell(view, `Questions answered: ${answered} of ${questions.length}.${found}`, { quietly: true });
  };
  view.root.append(...questions.map(({ question, choices, right, why }, i) => {
    const feedback = element("p", { class: "rfm-feedback", "aria-live": "polite" });
    const { group } = radios({ question, choices, chosen: index => {
      chosenOf[i] = index;
      feedback.textContent = `${index === right ? "✓ Right." : "✗ Not so."} ${why[index]}`.trim();
      update();
    } });
    group.append(feedback);
    return group;
  }), view.sentence);
  follow(model, ["questions"], update, view.cleanups);
  return cleanUp(view);
}

export default { render };
