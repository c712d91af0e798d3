"""Many students and many wrong answers, in one process: what is right, and what is said."""

import json
import re
import statistics
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
from wrong_answers import WRONG

from rfm_tutorial.coursework import MODULI, numbers_for


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
    """Three jobs for each assignment: the solution, of the chosen students or of all; the author's
    with mistakes, some together or each alone; what is handed out, with the public tests."""
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
