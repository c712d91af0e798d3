"""The small module behind the assignments: numbers of one's own, time limits, reasons."""

import sys
import time

import pytest
from handouts import (
    STUDENTS,
)

from rfm_tutorial import coursework
from rfm_tutorial.coursework import MODULI, mark, mark_value, numbers_for, said, time_limit


def test_numbers_differ_between_students_and_stay_the_same() -> None:
    for name, moduli in MODULI.items():
        numbers = [numbers_for(student, name) for student in STUDENTS]
        assert len(set(numbers)) == len(numbers)
        assert {one.modulus for one in numbers} == set(moduli)
        assert all(2 <= one.factor <= one.modulus - 2 for one in numbers)
    # Written down, so that an update changes nobody's assignment.
    assert numbers_for("student000", "hw1") == coursework.Numbers(47, 176583, 32)


def test_another_year_gives_other_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [numbers_for(student, "hw1") for student in STUDENTS]
    monkeypatch.setattr(coursework, "VARIANT", "next year")
    after = [numbers_for(student, "hw1") for student in STUDENTS]
    assert not set(before) & set(after)


class Case:
    """As otter has them."""

    def __init__(self, success_message: str | None) -> None:
        self.success_message = success_message


class Result:
    def __init__(self, passed: bool, message: str, success_message: str | None = None) -> None:
        self.passed, self.message = passed, message
        self.test_case = Case(success_message)


class Check:
    def __init__(self, *results: Result) -> None:
        self.test_case_results = results


def test_a_public_check_does_not_say_passed() -> None:
    right = Result(True, "passed"), Result(True, "passed", "The kind is right.")
    assert said(Check(*right)) == f"{coursework.EXAMPLE}\nThe kind is right."
    wrong = Result(False, "failed\nAssertionError: it should return a tensor")
    assert said(Check(wrong, *right)) == "it should return a tensor"
    assert said(None) == ""


@pytest.mark.usefixtures("no_type_checks")
def test_an_id_that_is_missing_is_asked_for() -> None:
    for wrong in (..., "", "  ", 7):
        with pytest.raises(ValueError, match="student must be your id as text"):
            numbers_for(wrong, "hw1")
    with pytest.raises(ValueError, match="assignment must be one of 'hw1'"):
        numbers_for("ada", "hw7")


def test_a_time_limit_stops_a_loop_and_goes_away() -> None:
    def loop() -> None:
        while True:
            pass

    with pytest.raises(TimeoutError, match=r"stopped after 0\.05 seconds"):
        coursework.call(loop, seconds=0.05)
    with time_limit(0.05):
        pass
    time.sleep(0.1)


def test_marks_give_reasons() -> None:
    def check(answer: object) -> None:
        cases = {"x = 3": lambda: (3,)}
        mark(answer, lambda x: 2 * x, cases, {"squared": lambda x: x**2}, "a", seconds=0.5)

    def loop(x: int) -> None:
        while True:
            pass

    check(lambda x: x + x)
    for answer, reason in [
        (lambda x: x * x, "squared"),
        (lambda x: 7, "returned 7, which is not right"),
        (lambda x: sys.exit(), "it ends the program"),
        (loop, "it was stopped after"),
        (3, "needs your function itself"),
    ]:
        with pytest.raises(AssertionError, match=reason):
            check(answer)
    mark_value(2.0, 2.0, {}, "share")
    with pytest.raises(AssertionError, match="half of it"):
        mark_value(1.0, 2.0, {"half of it": 1.0}, "share")
    with pytest.raises(AssertionError, match="share: this is not right, got None"):
        mark_value(None, 2.0, {}, "share")
