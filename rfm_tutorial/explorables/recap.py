"""All guesses of a chapter beside their answers."""

from typing import cast

import traitlets

from rfm_tutorial.explorables.answer import answer_in_words
from rfm_tutorial.explorables.base import Explorable, script, style


class GuessRecap(Explorable):
    """A table of guesses and answers with a button that forgets the guesses.

    `Guesses.recap` makes it.
    """

    _esm, _css = script("recap"), style("guesses")

    guesses = traitlets.List(traitlets.Dict()).tag(sync=True)
    """For the script: each guess with its key, its unit and so on."""
    answers = traitlets.List(traitlets.Unicode(allow_none=True)).tag(sync=True)
    """To each of them, None where there is none yet."""

    @property
    def sentence(self) -> str:
        """How many guesses have been made, as far as Python knows."""
        return f"Guesses made: 0 of {len(cast(list, self.guesses))}."

    def __repr__(self) -> str:
        pairs = zip(cast(list[dict], self.guesses), cast(list, self.answers), strict=True)
        answers = [
            f"· {guess['question']} "
            + ("not answered yet" if answer is None else answer_in_words(guess, answer))
            for guess, answer in pairs
        ]
        return "\n".join([self.sentence, *answers])
