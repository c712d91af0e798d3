"""Every exercise: its solution passes, its empty stub and its typical mistakes are told apart."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch

import rfm_tutorial
from rfm_tutorial.exercises import EXERCISES, check
from rfm_tutorial.exercises.by_hand import ByHand
from rfm_tutorial.exercises.judging import Exercise, judge

CHAPTERS = sorted((Path(__file__).resolve().parents[1] / "book").glob("*.ipynb"))


def cells(kind: str) -> list[str]:
    notebooks = [json.loads(path.read_text(encoding="utf-8")) for path in CHAPTERS]
    return [
        "".join(cell["source"])
        for notebook in notebooks
        for cell in notebook["cells"]
        if cell["cell_type"] == kind
    ]


@cache
def stubs() -> dict[str, tuple[str, str]]:
    """Exercise name -> (name of what is asked, source of what a reader begins with)."""
    found = {}
    for source in cells("code"):
        for name, asked in re.findall(r'^check\("([\w.]+)", (.+)\)', source, re.MULTILINE):
            found[name] = (asked, source.split("\ncheck(")[0])
    return found


@cache
def solutions() -> dict[str, str]:
    """Exercise label -> the code in its folded solution."""
    pattern = re.compile(r":::\{solution\} ([\w-]+)\n.*?```python\n(.*?)```", re.DOTALL)
    return {label: code for source in cells("markdown") for label, code in pattern.findall(source)}


@dataclass(frozen=True)
class Task:
    """An exercise as a page shows it."""

    page: str
    label: str
    kind: str
    minutes: int
    hints: int
    """How many stand one within the other below it."""


KINDS = "complete a function", "by hand", "find the bug", "read the figure", "open laboratory"
HEAD = re.compile(r":label: ([\w-]+)\n\n[★☆]{3} · (\d+) minutes(?: · (.+))?\n")
HINTS = re.compile(
    r"::::\{admonition\} Hint: where to look\n:class: dropdown\n\n[^:].*?"
    r"\n:::\{admonition\} Second hint: nearly there\n:class: dropdown\n\n[^:].*?\n:::\n::::",
    re.DOTALL,
)


@cache
def tasks() -> list[Task]:
    found = []
    for path in CHAPTERS:
        text = "\n\n".join(
            "".join(cell["source"])
            for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
            if cell["cell_type"] == "markdown"
        )
        for part in text.split(":::{exercise} ")[1:]:
            head = HEAD.search(part)
            assert head, part.partition("\n")[0]
            label, minutes, kind = head.groups()
            hints = len(HINTS.findall(part))
            found.append(Task(path.stem, label, kind or KINDS[0], int(minutes), hints))
    return found


def answer(name: str, source: str) -> object:
    """What a reader has after running this code."""
    namespace: dict = {"torch": torch, **vars(rfm_tutorial)}
    exec(source, namespace)
    return eval(stubs()[name][0], namespace)


@pytest.mark.parametrize("name", EXERCISES)
def test_the_folded_solution_passes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    check(name, answer(name, solutions()[re.sub(r"[._]", "-", name)]))
    assert capsys.readouterr().out.startswith(f"✓ {name}")


def kind_of(name: str) -> str:
    label = re.sub(r"[._]", "-", name)
    return next(task.kind for task in tasks() if task.label == label)


@pytest.mark.parametrize("name", EXERCISES)
def test_what_is_still_to_be_done_is_told(name: str) -> None:
    exercise = EXERCISES[name]
    verdict = exercise.verdict(answer(name, stubs()[name][1]))
    kind = kind_of(name)
    if kind == "find the bug":  # the program runs, and what is wrong with it is known
        assert verdict.rung == "values"
        assert verdict.message in exercise.mistakes
    elif kind == "by hand":
        assert verdict.rung == "kind"
        assert "still to be filled in" in verdict.message
    else:
        assert verdict.rung == "kind"
        assert exercise.returns in verdict.message


def with_exercises() -> list[str]:
    """The chapters but for the ledger, which is one to look things up in."""
    return [path.stem for path in CHAPTERS if path.stem[:2].isdigit() and path.stem != "12-ledger"]


def test_each_chapter_has_two_kinds_of_exercises_and_each_kind_two_chapters() -> None:
    pages: dict[str, set[str]] = {}
    for task in tasks():
        assert task.kind in KINDS, task
        pages.setdefault(task.kind, set()).add(task.page)
    assert set(pages) == set(KINDS)
    assert min(len(where) for where in pages.values()) >= 2
    for page in with_exercises():
        kinds = [kind for kind, where in pages.items() if page in where]
        assert len(kinds) >= 2, page


def test_each_exercise_has_a_hint_with_a_second_one_inside() -> None:
    assert [task.label for task in tasks() if task.hints != 1] == []


def test_the_exercises_of_a_chapter_leave_time_to_read_it() -> None:
    sums: dict[str, int] = {}
    for task in tasks():
        if task.page in with_exercises():
            sums[task.page] = sums.get(task.page, 0) + task.minutes
    assert set(sums) == set(with_exercises())
    assert {page: minutes for page, minutes in sums.items() if minutes > 50} == {}


def test_where_to_look_is_a_section_of_a_chapter() -> None:
    titles = {
        line.lstrip("# ")
        for source in cells("markdown")
        for line in source.splitlines()
        if line.startswith("#")
    }
    for name, exercise in EXERCISES.items():
        for title in re.findall(r'"([^"]+)"', exercise.see):
            assert title in titles, (name, title)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(name, message, id=f"{name}-{number}")
        for name, exercise in EXERCISES.items()
        for number, message in enumerate(exercise.mistakes)
    ],
)
def test_a_typical_mistake_gets_its_own_message(name: str, message: str) -> None:
    exercise = EXERCISES[name]
    verdict = exercise.verdict(exercise.mistakes[message])
    assert verdict.rung in ("values", "edges")
    assert verdict.message == message


def test_exercises_of_a_page_stand_in_the_order_of_the_modules() -> None:
    assert sorted(EXERCISES) == sorted(stubs())
    known = {re.sub(r"[._]", "-", name): place for place, name in enumerate(EXERCISES)}
    for path in CHAPTERS:
        places = [known[t.label] for t in tasks() if t.page == path.stem and t.label in known]
        assert places == sorted(places), path.stem


def test_every_exercise_knows_two_mistakes_an_edge_case_and_where_to_look() -> None:
    for name, exercise in EXERCISES.items():
        assert len(exercise.mistakes) >= 2, name
        assert isinstance(exercise, ByHand) or len(exercise.cases) >= 2, name
        assert exercise.see, name


DOUBLE = Exercise(
    reference=lambda x: 2 * x,
    cases={
        "an ordinary case": lambda: (torch.tensor([1.0, 2.0, 3.0, 4.0]),),
        "an empty vector": lambda: (torch.zeros(0),),
    },
    mistakes={},
    returns="a vector",
)


def test_an_unknown_wrong_answer_is_told_how_much_is_right() -> None:
    verdict = judge(DOUBLE, lambda x: torch.where(x > 1, 2 * x, x))
    assert verdict.rung == "values"
    assert "75.0% of the values are right" in verdict.message


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda M: -3 * M, "all of them are -3 times what they should be"),
        (lambda M: M.T, "rows and columns are exchanged"),
        (lambda M: 2 * M.flip(0), "the difference is"),
    ],
)
def test_an_unknown_wrong_answer_is_told_how_it_is_like_the_right_one(wrong, said: str) -> None:
    matrix = torch.tensor([[1.0, 2.0], [4.0, 7.0]])
    same = Exercise(lambda M: M, {"a matrix": lambda: (matrix,)}, {}, returns="a matrix")
    verdict = judge(same, wrong)
    assert verdict.rung == "values"
    assert said in verdict.message


GRID = ByHand(
    right=[[1, 2, 0.125], [3, 4, 5]],
    mistakes={"each is doubled.": [[2, 4, 0.25], [6, 8, 10]]},
    returns="2 rows of 3 numbers",
    names=("row {}", "column {}"),
    edges={"the corner": [(1, 2)]},
)


@pytest.mark.parametrize(
    ("typed", "rung", "said"),
    [
        ([[1, 2, 0.125], (3, 4, 5)], None, "all 6 numbers are right"),
        (torch.tensor([[1, 2, 0.12], [3, 4, 5]]), None, "all 6"),
        (lambda: 0, "kind", "a function"),
        (7, "kind", "but got 7"),
        ([[1, 2, 3], [3, 4]], "kind", "lists of different lengths"),
        ([[1, 2], [3, 4]], "kind", "a list of shape (2, 2)"),
        ([[1, 2, ...], [3, 4, ...]], "kind", "2 of 6 numbers are still to be filled in"),
        ([[1, 2, "0.1"], [3, 4, 5]], "kind", "'0.1' is no number"),
        ([[2, 4, 0.25], [6, 8, 10]], "values", "each is doubled."),
        ([[1, 2, 0.14], [3, 4, 5]], "values", "5 of 6 numbers are right; look at row 0, column 2"),
        ([[1, 0, 0.125], [3, 4, 0]], "values", "4 of 6 numbers are right; look at row 0, column 1"),
        ([[1, 2, 0.125], [3, 4, 0]], "edges", "right but for the corner."),
    ],
)
def test_numbers_that_were_typed_in(typed: object, rung: str | None, said: str) -> None:
    verdict = GRID.verdict(typed)
    assert verdict.rung == rung
    assert said in verdict.message


def test_a_wrong_shape_is_told_both_shapes() -> None:
    verdict = judge(DOUBLE, lambda x: x[:, None])
    assert verdict.rung == "kind"
    assert "(4, 1) instead of (4,)" in verdict.message


def test_an_exception_is_told_with_its_message_and_not_raised() -> None:
    verdict = judge(DOUBLE, lambda x: x @ torch.ones(3))
    assert verdict.rung == "kind"
    assert "RuntimeError" in verdict.message


def test_an_exception_on_an_edge_names_the_edge() -> None:
    verdict = judge(DOUBLE, lambda x: 2 * x if x.max() > 0 else x)
    assert verdict.rung == "edges"
    assert "an empty vector" in verdict.message


def test_an_input_changed_in_place_is_noticed() -> None:
    verdict = judge(DOUBLE, lambda x: x.mul_(2))
    assert verdict.rung == "edges"
    assert "changed its input" in verdict.message


def test_a_value_instead_of_a_function_is_explained() -> None:
    verdict = judge(DOUBLE, torch.ones(4))
    assert verdict.rung == "kind"
    assert "your function itself" in verdict.message


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"grokking\.jump"):
        check("grokking.jmup", lambda: None)


def test_an_answer_without_elements_can_be_right() -> None:
    assert judge(DOUBLE, lambda x: 2 * x).rung is None
