"""Questions with answers to choose from: the page says at once why a wrong one is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from hashlib import sha256
from typing import cast

import traitlets

from rfm_tutorial.checks import check_integer, shown
from rfm_tutorial.explorables.base import Explorable, script, style
from rfm_tutorial.explorables.guesses import check_different, check_list, check_words


@dataclass(frozen=True)
class Question:
    """A question, its right answer, and wrong ones with the reason why each is wrong.

    Parameters
    ----------
    question : as the reader sees it
    right : the right answer
    wrong : from each wrong answer to what is said about it
    why : what is said after "Right."
    order : all answers in the order in which they are shown; shuffled if it is left out

    Raises
    ------
    ValueError
        If there is no wrong answer, if the right one is among them, if an explanation is missing,
        or if `order` is not an order of the answers.
    """

    question: str
    _: KW_ONLY
    right: str
    wrong: Mapping[str, str]
    why: str = ""
    order: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_words("question", self.question)
        check_words("right", self.right)
        if not isinstance(self.why, str):
            raise ValueError(f"why must be a sentence, got {shown(self.why)}")
        if not isinstance(self.wrong, Mapping) or not self.wrong:
            raise ValueError(
                "wrong must lead from at least one wrong answer to what is said about it, "
                f"got {shown(self.wrong)}"
            )
        for answer, explanation in self.wrong.items():
            check_words("each answer in wrong", answer)
            check_words(f"the explanation of {answer!r}", explanation)
        if self.right in self.wrong:
            raise ValueError(f"right must not be among the wrong answers, got {self.right!r}")
        check_list("order", self.order)
        if self.order and sorted(map(str, self.order)) != sorted([self.right, *self.wrong]):
            raise ValueError(
                f"order must be an order of {', '.join(map(repr, [self.right, *self.wrong]))}, "
                f"got {shown(self.order)}"
            )

    def choices(self, seed: int) -> list[str]:
        """The answers as they are shown."""

        def place(answer: str) -> bytes:
            return sha256(f"{seed} {self.question} {answer}".encode()).digest()

        return [*self.order] or sorted([self.right, *self.wrong], key=place)


class Questions(Explorable):
    """Short questions. A click on an answer says that it is right, or why it is not.

    Nothing is kept of what the reader answers.

    Parameters
    ----------
    questions : with different words
    seed : of the order of answers, where a question has none of its own

    Raises
    ------
    ValueError
        If there is no question, or one twice.

    Examples
    --------
    >>> Questions(
    ...     [
    ...         Question(
    ...             "What is the training accuracy of a lookup table?",
    ...             right="1",
    ...             wrong={
    ...                 "1/p": "That is chance; a table has seen each of these rows.",
    ...                 "0": "That is its test accuracy.",
    ...             },
    ...             order=("0", "1/p", "1"),
    ...         ),
    ...     ]
    ... )
    Questions answered: 0 of 1.
    · What is the training accuracy of a lookup table? (0, 1/p, 1)
    """

    _esm, _css = script("questions"), style("choices")

    questions = traitlets.List(traitlets.Dict()).tag(sync=True)
    """For the script: each with its answers, the place of the right one, what is said to each."""

    def __init__(self, questions: Sequence[Question], seed: int = 0) -> None:
        check_list("questions", questions)
        check_integer("seed", seed, at_least=0)
        if not questions:
            raise ValueError("questions must have at least one Question, got none")
        for question in questions:
            if not isinstance(question, Question):
                raise ValueError(
                    f"questions must be a list of Question, got {shown(question)} in it"
                )
        check_different("questions", [question.question for question in questions])
        super().__init__(questions=[_for_the_script(question, seed) for question in questions])

    @property
    def sentence(self) -> str:
        """How many questions have been answered, as far as Python knows."""
        return f"Questions answered: 0 of {len(cast(list, self.questions))}."

    def __repr__(self) -> str:
        lines = [
            f"· {each['question']} ({', '.join(each['choices'])})"
            for each in cast(list[dict], self.questions)
        ]
        return "\n".join([self.sentence, *lines])


def _for_the_script(question: Question, seed: int) -> dict:
    choices = question.choices(seed)
    return {
        "question": question.question,
        "choices": choices,
        "right": choices.index(question.right),
        "why": [question.wrong.get(answer, question.why) for answer in choices],
    }
