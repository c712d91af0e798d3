"""Guesses: what readers expect before they run, and what it turns out to be.

A guess is kept by the reader's own browser. It is no part of the state: no kernel, no notebook and
no website ever sees it.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, asdict, dataclass
from typing import cast

import traitlets

from rfm_tutorial.checks import check_choice, check_integer, shown
from rfm_tutorial.explorables.answer import GuessAnswer
from rfm_tutorial.explorables.base import Explorable, script, style
from rfm_tutorial.explorables.recap import GuessRecap
from rfm_tutorial.explorables.wording import rounded

MOST_DIGITS = 6


@dataclass(frozen=True)
class Guess:
    """A question to guess the answer to: a number, or one of a few choices.

    Parameters
    ----------
    name : short, of letters, digits, "-" and "_"; `Guesses.answer` asks for it, and the reader's
        browser keeps the guess under it
    question : as the reader sees it
    unit : of the number, such as "%"
    choices : the answers to choose from, where a number is not asked for
    digits : decimals that the answer is shown with

    Raises
    ------
    ValueError
        If name, question or choices cannot be shown, or there are choices and a unit.
    """

    name: str
    question: str
    _: KW_ONLY
    unit: str = ""
    choices: Sequence[str] = ()
    digits: int = 0

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_words("question", self.question)
        if not isinstance(self.unit, str):
            raise ValueError(f"unit must be a word such as '%', got {shown(self.unit)}")
        check_integer("digits", self.digits, at_least=0, at_most=MOST_DIGITS)
        check_list("choices", self.choices)
        object.__setattr__(self, "choices", tuple(self.choices))
        if not self.choices:
            return
        if len(self.choices) == 1:
            raise ValueError(f"choices must be two or more, got {shown(self.choices)}")
        for words in self.choices:
            check_words("each of choices", words)
        check_different("choices", self.choices)
        if self.unit:
            raise ValueError(f"unit must be left out where there are choices, got {self.unit!r}")

    def in_words(self, value: object) -> str:
        """An answer as it is shown, without its unit.

        Examples
        --------
        >>> Guess("share", "What share?", unit="%").in_words(29.7)
        '30'
        """
        if self.choices:
            return check_choice("value", cast(str, value), self.choices)
        try:
            number = math.nan if isinstance(value, str | bool) else float(value)  # pyright: ignore[reportArgumentType]
        except (OverflowError, RuntimeError, TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"value must be a finite number, got {shown(value)}")
        return rounded(number, self.digits)


class Guesses(Explorable):
    """Questions with fields for what the reader expects.

    The guess stays in the reader's browser. `answer` shows it where the result appears, `recap`
    shows all of them once more.

    Parameters
    ----------
    chapter : of letters, digits, "-" and "_", such as "05"; keeps guesses of chapters apart
    guesses : the questions, with different names

    Raises
    ------
    ValueError
        If there is no guess, or two have one name.

    Examples
    --------
    >>> guesses = Guesses(
    ...     "05",
    ...     [
    ...         Guess("half", "At which iteration is half of the hidden cells right?"),
    ...         Guess("which", "What goes first?", choices=("the sums", "the products", "neither")),
    ...     ],
    ... )
    >>> guesses
    Guesses made: 0 of 2.
    · At which iteration is half of the hidden cells right?
    · What goes first? (the sums, the products, neither)
    >>> guesses.answer("half", 13, text="Three iterations later all of them are.")
    It is 13. Three iterations later all of them are.
    >>> guesses.answer("which", "the sums")
    The answer is “the sums”.
    >>> guesses.recap()
    Guesses made: 0 of 2.
    · At which iteration is half of the hidden cells right? 13
    · What goes first? “the sums”
    """

    _esm, _css = script("guesses"), style("choices", "guesses")

    guesses = traitlets.List(traitlets.Dict()).tag(sync=True)
    """For the script: each guess with the key that it is kept under."""

    def __init__(self, chapter: str, guesses: Sequence[Guess]) -> None:
        check_name("chapter", chapter)
        check_list("guesses", guesses)
        if not guesses:
            raise ValueError("guesses must have at least one Guess, got none")
        for guess in guesses:
            if not isinstance(guess, Guess):
                raise ValueError(f"guesses must be a list of Guess, got {shown(guess)} in it")
        check_different("names of guesses", [guess.name for guess in guesses])
        self._asked = {guess.name: guess for guess in guesses}
        self._answers: dict[str, str | None] = dict.fromkeys(self._asked)
        self._recaps: list[GuessRecap] = []
        super().__init__(guesses=[_for_the_script(chapter, guess) for guess in guesses])

    @property
    def sentence(self) -> str:
        """How many guesses have been made, as far as Python knows."""
        return f"Guesses made: 0 of {len(self._asked)}."

    def __repr__(self) -> str:
        details = (f" ({', '.join(g.choices) or g.unit})" for g in self._asked.values())
        questions = zip(self._asked.values(), details, strict=True)
        lines = [f"· {g.question}{detail}".removesuffix(" ()") for g, detail in questions]
        return "\n".join([self.sentence, *lines])

    def answer(self, name: str, value: object, text: str = "") -> GuessAnswer:
        """Show the answer to a guess, beside the guess.

        Parameters
        ----------
        name : of the guess
        value : what is right, in the unit of the guess: a number of Python, numpy or torch, or
            one of the choices
        text : a sentence that follows

        Raises
        ------
        ValueError
            If no guess has this name, or the value is not what it asks for.
        """
        check_choice("name", name, self._asked)
        if not isinstance(text, str):
            raise ValueError(f"text must be a sentence, got {shown(text)}")
        self._answers[name] = self._asked[name].in_words(value)
        for recap in self._recaps:
            recap.answers = [*self._answers.values()]
        place = [*self._asked].index(name)
        guess = cast(list[dict], self.guesses)[place]
        return GuessAnswer(guess=guess, answer=self._answers[name], text=text)

    def recap(self) -> GuessRecap:
        """All guesses beside the answers that have been given so far, and a button to reset."""
        recap = GuessRecap(guesses=self.guesses, answers=[*self._answers.values()])
        self._recaps.append(recap)
        return recap


def _for_the_script(chapter: str, guess: Guess) -> dict:
    state = asdict(guess)
    return {
        "key": f"{chapter}/{state.pop('name')}",
        **state,
        "choices": list(guess.choices),
    }


def check_name(name: str, value: str) -> None:
    """Letters, digits, "-" and "_", for the address of a field."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", value):
        raise ValueError(f"{name} must be letters, digits, '-' and '_', got {shown(value)}")


def check_words(name: str, value: str) -> None:
    """Something to read."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} must be words to read, got {shown(value)}")


def check_list(name: str, values: Sequence) -> None:
    """A list or a tuple; a single string is none."""
    if not isinstance(values, list | tuple):
        raise ValueError(f"{name} must be a list or a tuple, got {shown(values)}")


def check_different(name: str, values: Sequence[str]) -> None:
    """No two of them are equal."""
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice:
        raise ValueError(f"{name} must be different, got {twice[0]!r} twice")
