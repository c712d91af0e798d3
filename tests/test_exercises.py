"""Every exercise: its solution passes, its empty stub and its typical mistakes are told apart."""

import json
import re
from functools import cache
from pathlib import Path

import pytest
import torch

from rfm_tutorial.exercises import EXERCISES, check
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
    """Exercise name -> (name of the function to complete, source of its stub)."""
    found = {}
    for source in cells("code"):
        for name, function in re.findall(r'^check\("([\w.]+)", (\w+)\)', source, re.MULTILINE):
            found[name] = (function, source.split("\ncheck(")[0])
    return found


@cache
def solutions() -> dict[str, str]:
    """Exercise label -> the code in its folded solution."""
    pattern = re.compile(r":::\{solution\} ([\w-]+)\n.*?```python\n(.*?)```", re.DOTALL)
    return {label: code for source in cells("markdown") for label, code in pattern.findall(source)}


@pytest.mark.parametrize("name", EXERCISES)
def test_the_folded_solution_passes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    function, _ = stubs()[name]
    namespace: dict = {"torch": torch}
    exec(solutions()[re.sub(r"[._]", "-", name)], namespace)
    check(name, namespace[function])
    assert capsys.readouterr().out.startswith(f"✓ {name}")


@pytest.mark.parametrize("name", EXERCISES)
def test_the_empty_stub_stops_at_the_first_rung(name: str) -> None:
    function, source = stubs()[name]
    namespace: dict = {"torch": torch}
    exec(source, namespace)
    verdict = judge(EXERCISES[name], namespace[function])
    assert verdict.rung == "shape"
    assert EXERCISES[name].returns in verdict.message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(name, message, id=f"{name}-{number}")
        for name, exercise in EXERCISES.items()
        for number, message in enumerate(exercise.mistakes)
    ],
)
def test_a_typical_mistake_gets_its_own_message(name: str, message: str) -> None:
    verdict = judge(EXERCISES[name], EXERCISES[name].mistakes[message])
    assert verdict.rung in ("values", "edges")
    assert verdict.message == message


def test_exercises_stand_in_the_order_of_the_chapters() -> None:
    assert list(EXERCISES) == list(stubs())


def test_every_exercise_knows_two_mistakes_an_edge_case_and_where_to_look() -> None:
    for name, exercise in EXERCISES.items():
        assert len(exercise.mistakes) >= 2, name
        assert len(exercise.cases) >= 2, name
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


def test_a_wrong_shape_is_told_both_shapes() -> None:
    verdict = judge(DOUBLE, lambda x: x[:, None])
    assert verdict.rung == "shape"
    assert "(4, 1) instead of (4,)" in verdict.message


def test_an_exception_is_told_with_its_message_and_not_raised() -> None:
    verdict = judge(DOUBLE, lambda x: x @ torch.ones(3))
    assert verdict.rung == "shape"
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
    assert verdict.rung == "shape"
    assert "your function itself" in verdict.message


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"grokking\.jump"):
        check("grokking.jmup", lambda: None)


def test_an_answer_without_elements_can_be_right() -> None:
    assert judge(DOUBLE, lambda x: 2 * x).rung is None
