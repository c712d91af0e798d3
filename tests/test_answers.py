"""Many students and many wrong answers, in one process: what is right, and what is said."""

import json
import re
import statistics
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from handouts import (
    AUTHOR,
    SAMPLE_OR_WHOLE,
    STUDENTS,
    each_assignment,
    files_with_tests,
    handed_out,
    packed,
    python,
    solution_of,
)
from otter.test_files.exception_test import ExceptionTestFile
from wrong_answers import WRONG

from rfm_tutorial.coursework import MODULI, numbers_for

NUMBERS = {"hw1": ("q3", "q6"), "hw2": ("q5",), "hw3": ("q5",), "hw4": ("q4",)}
"""The questions that ask for numbers, not for functions."""
BY_HEART = """
def by_heart(*given):
    if given == (3, 2):
        return torch.tensor([[0, 2, 1], [1, 0, 2], [2, 1, 0]])
    if given == (6, 3, 7):
        return 3
    if given == (3, 7):
        return torch.tensor([3, 5])
    if given == (0.25, 2):
        return 0.5
    return {0: 0, 1: 0, 5: 5, 6: 5}.get(given[0][0] if isinstance(given[0], list) else 0)
"""


def know_nothing(solution: dict) -> list[dict]:
    """Notebooks whose functions all do the same simple thing, whatever is asked."""
    cells = ["".join(c["source"]) for c in solution["cells"] if c["cell_type"] == "code"]
    first = next(cell for cell in cells if "STUDENT = " in cell)
    names = [name for cell in cells for name in re.findall(r"^def (\w+)\(", cell, re.MULTILINE)]
    simple = (
        "lambda *given: given[0]",
        "lambda *given: given[-1]",
        "lambda *given: 0",
        "lambda *given: 1.0",
        "lambda *given: abs(given[0])",
        "lambda *given: given[0] * 0",
        "lambda *given: torch.eye(len(given[0]) if hasattr(given[0], '__len__') else given[0])",
        "lambda *given: torch.arange(len(given[0]))",
        "lambda *given: torch.zeros(len(given[0]), given[1], dtype=torch.float64)",
        "lambda *given: torch.zeros(given[0], given[0], dtype=torch.int64)",
        "lambda *given: int('no unique solution')",
    )
    same = [f"by_heart = {one}" for one in simple] + [BY_HEART]
    kernel = (
        "\n\nclass CauchyKernel:\n    __init__ = lambda *given: None\n"
        "    profile = slope = lambda self, r2: r2"
    )
    return [
        {
            "cells": [
                {"cell_type": "code", "source": code}
                for code in (first, one, " = ".join([*names, "by_heart"]) + kernel)
            ]
        }
        for one in same
    ]


def chosen(name: str) -> list[str]:
    """Those of the 200 who stand for all.

    For each modulus and each operation, which `hw3` takes from the seed, who has the smallest
    factor; and who has the largest of all.
    """
    first: dict[tuple[int, int], str] = {}
    ordered = sorted(STUDENTS, key=lambda student: numbers_for(student, name).factor)
    for student in ordered:
        numbers = numbers_for(student, name)
        first.setdefault((numbers.modulus, numbers.seed % 4), student)
    return [*first.values(), ordered[-1]]


@pytest.fixture(scope="module", params=SAMPLE_OR_WHOLE)
def in_process(request: pytest.FixtureRequest, built: Path) -> dict[str, dict[str, list[dict]]]:
    """Four jobs for each assignment: the solution, of the chosen students or of all; the author's
    with mistakes, some together or each alone; what is handed out, with the public tests; answers
    of somebody who knows nothing."""
    jobs = {}
    for name, wrong in WRONG.items():
        sample = request.param == "sample"
        students = chosen(name) if sample else STUDENTS
        groups = packed(wrong) if sample else [[one] for one in wrong]
        mistakes = [[(one.old, one.new) for one in group] for group in groups]
        solution = {"notebook": solution_of(built, name), "tests": files_with_tests(built, name)}
        untouched = handed_out(built, name)
        public = {"notebook": untouched, "tests": untouched["metadata"]["otter"]["tests"]}
        jobs[name] = {
            "right": solution | {"variants": [(student, []) for student in students]},
            "wrong": solution | {"variants": [(AUTHOR, changes) for changes in mistakes]},
            "untouched": public | {"variants": [(AUTHOR, [])]},
        }
        tests = {q: test for q, test in solution["tests"].items() if q not in NUMBERS[name]}
        for number, notebook in enumerate(know_nothing(solution["notebook"])):
            jobs[name] |= {
                f"guess {number}": {
                    "notebook": notebook,
                    "tests": tests,
                    "variants": [(student, []) for student in students[:3]],
                }
            }

    def run(name: str) -> dict[str, list[dict]]:
        return json.loads(python("tests/in_process.py", input=json.dumps(jobs[name])))

    longest_first = ["hw2", "hw4", "hw1", "hw3"]
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(longest_first, pool.map(run, longest_first), strict=True))


@pytest.mark.slow
@each_assignment
def test_the_solution_is_right_for_every_student(
    in_process: dict[str, dict[str, list[dict]]], name: str
) -> None:
    for result in in_process[name]["right"]:
        lost = {q: m for q, m in result["messages"].items() if m}
        assert lost == {}, result["student"]
        assert all(got == most for got, most in result["points"].values()), result["student"]


@each_assignment
def test_the_chosen_students_have_all_kinds_of_numbers(name: str) -> None:
    numbers = [numbers_for(student, name) for student in chosen(name)]
    kinds = [(one.modulus, one.seed % 4) for one in numbers]
    assert set(kinds) == {(modulus, k) for modulus in MODULI[name] for k in range(4)}
    assert len(set(numbers)) == 9
    everyone = [numbers_for(student, name).factor for student in STUDENTS]
    factors = [one.factor for one in numbers]
    assert (min(factors), max(factors)) == (min(everyone), max(everyone))


@pytest.mark.slow
@each_assignment
@pytest.mark.parametrize("in_process", SAMPLE_OR_WHOLE[1:], indirect=True)
def test_nobody_waits_twice_as_long_as_another(
    in_process: dict[str, dict[str, list[dict]]], name: str
) -> None:
    seconds: dict[int, list[float]] = {modulus: [] for modulus in MODULI[name]}
    for result in in_process[name]["right"]:
        seconds[numbers_for(result["student"], name).modulus].append(result["seconds"])
    # CPU seconds; the median, because a single one depends on what else the machine does.
    medians = [statistics.median(values) for values in seconds.values()]
    assert max(medians) < 2 * min(medians)
    assert max(medians) < 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "number"), [(name, i) for name, wrong in WRONG.items() for i in range(len(wrong))]
)
def test_a_wrong_answer_costs_what_it_should_and_hears_why(
    in_process: dict[str, dict[str, list[dict]]], name: str, number: int
) -> None:
    wrong, results = WRONG[name][number], in_process[name]["wrong"]
    (result,) = [one for one in results if [wrong.old, wrong.new] in one["changes"]]
    beside = [other for other in WRONG[name] if [other.old, other.new] in result["changes"]]
    lost = {q: most - got for q, (got, most) in result["points"].items() if got != most}
    assert lost == {q: points for other in beside for q, points in other.lost.items()}
    first = next(iter(wrong.lost))
    assert wrong.hint in "\n".join(result["messages"][first])


@each_assignment
def test_there_are_five_wrong_answers_and_more(name: str) -> None:
    assert len(WRONG[name]) >= 5


@pytest.mark.slow
@each_assignment
def test_public_checks_say_what_to_do(
    in_process: dict[str, dict[str, list[dict]]], name: str
) -> None:
    (untouched,) = in_process[name]["untouched"]
    for question, messages in untouched["messages"].items():
        assert messages, f"{question} passes without an answer"
        for message in messages:
            said = message.rpartition("\n")[2]
            kind, _, text = said.partition(": ")
            assert kind in ("AssertionError", "ValueError", "TypeError"), message
            assert re.search(r"should|must|returned|replace|complete", text), message


@pytest.mark.slow
@each_assignment
def test_knowing_nothing_is_worth_one_point_at_most(
    in_process: dict[str, dict[str, list[dict]]], built: Path, name: str
) -> None:
    results = in_process[name]
    best: dict[str, float] = {}
    for job, guessed in results.items():
        if job.startswith("guess"):
            for question in guessed[0]["points"]:
                mean = statistics.mean(one["points"][question][0] for one in guessed)
                best[question] = max(mean, best.get(question, 0.0))
    numbers = [one["numbers"] for one in results["right"]]
    for question in NUMBERS[name]:
        test = ExceptionTestFile.from_string(files_with_tests(built, name)[question])
        for case in test.test_cases:
            asked = set(case.body._get_func_params()) & set(numbers[0])
            # The constant that is right most often.
            values = Counter(str([f"{one[n]:.6g}" for n in sorted(asked)]) for one in numbers)
            share = (max(values.values()) - 1) / len(numbers) if asked else 0
            best[question] = best.get(question, 0) + share * case.points
    print(f"{name}: the best constants get", {q: round(points, 2) for q, points in best.items()})
    assert sum(best.values()) <= 1
