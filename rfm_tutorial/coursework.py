"""What the graded assignments need: numbers of one's own, marks with a reason, limits on time.

`numbers_for` turns a student's id into a modulus and a seed, so that two students compute different
numbers and neither has the harder task. `mark` is how a test of an assignment asks `judge` of the
exercises, which knows cases, a reference and typical mistakes, and turns its verdict into the
failure that otter-grader reports. `said` is what a public check says about an answer.
"""

import hashlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from rfm_tutorial.answers import Answer
from rfm_tutorial.checks import check_choice, check_real
from rfm_tutorial.exercises.judging import Exercise, judge

MODULI = {
    "hw1": (43, 47),
    "hw2": (17, 19),
    "hw3": (17, 19),
    "hw4": (43, 47),
}
"""Primes of about the same size, so that everybody's notebook runs for about the same time."""


VARIANT = ""
"""A word for a course and year; another one gives everybody other numbers."""

EXAMPLE = "The example is right; more is tried after you hand in."


@dataclass(frozen=True)
class Numbers:
    """A student's own numbers for one assignment."""

    modulus: int
    """A prime."""
    seed: int
    """From 0 to 999 999."""
    factor: int
    """From 2 to modulus − 2: neither 0 nor 1 nor −1."""


def numbers_for(student: str, assignment: str) -> Numbers:
    """The numbers that belong to a student's id; the same on every machine.

    Capital letters and blanks around the id do not matter.

    Parameters
    ----------
    student : the id under which the student hands in, for example "ada.lovelace"
    assignment : a name from `MODULI`

    Raises
    ------
    ValueError
        If the id is no text or empty, or there is no such assignment.

    Examples
    --------
    >>> numbers_for("ada.lovelace", "hw1") == numbers_for(" Ada.Lovelace ", "hw1")
    True
    >>> numbers_for("ada.lovelace", "hw1").modulus in MODULI["hw1"]
    True
    """
    check_choice("assignment", assignment, MODULI)
    if not isinstance(student, str) or not student.strip():
        raise ValueError(
            f"student must be your id as text, such as 'ada.lovelace', got {student!r}; "
            f"replace the dots in the line STUDENT = ..."
        )
    text = f"{VARIANT}{assignment} {student.strip().lower()}"
    random = Random(int.from_bytes(hashlib.sha256(text.encode()).digest()))
    modulus = random.choice(MODULI[assignment])
    return Numbers(modulus, random.randrange(10**6), random.randrange(2, modulus - 1))


def _set_clocks(seconds: float) -> None:
    """Signals after so many seconds of processor time, and after ten times that on the wall.

    Processor time is the same on a busy machine; the other clock is for what sleeps. Both go on
    ringing, for code that catches the first error and goes on. 0 stops them.
    """
    signal.setitimer(signal.ITIMER_PROF, seconds, seconds)
    signal.setitimer(signal.ITIMER_REAL, 10 * seconds, 10 * seconds)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` in a block that takes longer.

    Without effect on Windows and in threads beside the first, which get no signals.

    Examples
    --------
    >>> with time_limit(10):
    ...     1 + 1
    2
    """
    check_real("seconds", seconds, positive=True)
    first = threading.current_thread() is threading.main_thread()
    if not hasattr(signal, "setitimer") or not first:
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError(f"it was stopped after {seconds:g} seconds")

    before = [(number, signal.signal(number, stop)) for number in (signal.SIGPROF, signal.SIGALRM)]
    _set_clocks(seconds)
    try:
        yield
    finally:
        _set_clocks(0)
        for number, handler in before:
            signal.signal(number, handler)


def call(
    function: Callable, *arguments: object, seconds: float = 5, without: tuple[str, ...] = ()
) -> Any:
    """What a student's function gives back, if it does so in time and does not end the program.

    Where it runs in a process of its own, names can be taken away from it while it does.

    Examples
    --------
    >>> call(pow, 2, 10)
    1024
    """
    if isinstance(function, Answer):
        # It runs in another process, with its own clock.
        return function.ask(arguments, seconds, without)
    with time_limit(seconds):
        try:
            return function(*arguments)
        except SystemExit:
            raise RuntimeError("it ends the program; a function returns instead") from None


def mark(
    answer: object,
    reference: Callable,
    cases: dict[str, Callable[[], tuple]],
    mistakes: dict[str, Callable],
    returns: str,
    seconds: float = 5,
    without: tuple[str, ...] = (),
) -> None:
    """Judge a student's function; what is wrong with it becomes an `AssertionError`.

    Parameters
    ----------
    answer : the student's function
    reference : a right one
    cases : from what is tried, in words, to what makes its arguments; the first one is ordinary
    mistakes : from what to say to a function of the same arguments that is wrong in a known way
    returns : what the function gives back, in words
    seconds : how long it may take for one case
    without : names that are taken away while it is called, such as "torch.autograd.grad"

    Raises
    ------
    AssertionError
        If the answer is not right, with a reason.

    Examples
    --------
    >>> try:
    ...     mark(lambda x: 2 * x, lambda x: x**2, {"x = 3": lambda: (3,)},
    ...          {"this is 2x": lambda x: 2 * x}, "a number")
    ... except AssertionError as error:
    ...     print(error)
    this is 2x
    """
    timed = partial(call, answer, seconds=seconds, without=without) if callable(answer) else answer
    verdict = judge(Exercise(reference, cases, mistakes, returns), timed)
    if verdict.rung is not None:
        raise AssertionError(verdict.message)


def mark_value(value: object, right: object, mistakes: dict[str, object], what: str) -> None:
    """Judge a number or tensor that a student computed; see `mark`.

    Parameters
    ----------
    value, right : what the student has, and what is right
    mistakes : from what to say to a value that is wrong in a known way
    what : the name of the value, for the message

    Examples
    --------
    >>> mark_value(0.5, 0.5, {}, "share")
    """
    try:
        mark(
            lambda: value,
            lambda: right,
            {what: lambda: ()},
            {message: lambda wrong=wrong: wrong for message, wrong in mistakes.items()},
            "",
        )
    except AssertionError as error:
        if str(error) in mistakes:
            raise
        raise AssertionError(f"{what}: this is not right, got {value!r}") from None


def said(check: Any) -> str:
    """What a public check has to say: what is wrong, or what it has looked at; never "passed".

    Parameters
    ----------
    check : what `grader.check` of otter-grader gives back
    """
    results = getattr(check, "test_case_results", [])
    wrong = [result.message.rpartition("Error: ")[2] for result in results if not result.passed]
    seen = [result.test_case.success_message or EXAMPLE for result in results if result.passed]
    return "\n".join(wrong or seen)
