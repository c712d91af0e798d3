"""The answer to a guess, where the result appears."""

from typing import cast

import traitlets

from rfm_tutorial.explorables.base import Explorable, script, style


class GuessAnswer(Explorable):
    """Says what is right, and beside it what the reader guessed. `Guesses.answer` makes it.

    What was guessed is known to the reader's browser only: `sentence` is what stands there for
    who made no guess.
    """

    _esm, _css = script("answer"), style("guesses")

    guess = traitlets.Dict().tag(sync=True)
    """For the script: the guess with its key, its unit and so on."""
    answer = traitlets.Unicode().tag(sync=True)
    """What is right: a number as it is shown, or one of the choices."""
    text = traitlets.Unicode().tag(sync=True)

    @property
    def sentence(self) -> str:
        """What is right, and the text after it."""
        guess, answer = cast(dict, self.guess), cast(str, self.answer)
        words = answer_in_words(guess, answer)
        start = f"{'The answer is' if guess['choices'] else 'It is'} {words}."
        return f"{start} {self.text}".strip()


def answer_in_words(guess: dict, answer: str) -> str:
    """A number with its unit, a choice in quotation marks."""
    return f"“{answer}”" if guess["choices"] else f"{answer} {guess['unit']}".strip()
