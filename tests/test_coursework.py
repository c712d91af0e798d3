"""The small module behind the assignments: numbers of one's own, time limits, reasons."""

import sys
import time

import pytest
from handouts import (
    STUDENTS,
)

from rfm_tutorial import coursework
from rfm_tutorial.coursework import MODULI, mark, mark_value, numbers_for, time_limit


def test_numbers_differ_between_students_and_stay_the_same() -> None:
    for name, moduli in MODULI.items():
        numbers = [numbers_for(student, name) for student in STUDENTS]
        assert len(set(numbers)) == len(numbers)
        assert {one.modulus for one in numbers} == set(moduli)
        assert all(2 <= one.factor <= one.modulus - 2 for one in numbers)
    # Written down, so that an update changes nobody's assignment.
    assert numbers_for("student000", "hw1") == coursework.Numbers(47, 176583, 32)


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
