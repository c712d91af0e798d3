"""The graded assignments as they are built: what is in them, what must not be, and their marks."""

import ast
import csv
import json
import re
import zipfile
from functools import cache
from pathlib import Path

import pytest
from handouts import (
    ROOT,
    SOURCES,
    archive_of,
    each_assignment,
    files_with_tests,
    handed_out,
    packed,
    python,
    solution_of,
    variant,
)
from wrong_answers import WRONG


@pytest.mark.slow
@each_assignment
def test_each_assignment_gives_three_things(built: Path, name: str) -> None:
    folder = built / SOURCES[name].parent.name
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert files == [
        f"autograder/{name}-autograder.zip",
        f"autograder/{name}.ipynb",
        "autograder/otter_config.json",
        "autograder/requirements.txt",
        f"student/{name}.ipynb",
    ]


@pytest.mark.slow
@each_assignment
def test_the_archive_installs_what_everyone_has(built: Path, name: str) -> None:
    with zipfile.ZipFile(archive_of(built, name)) as archive:
        environment = archive.read("environment.yml").decode()
        names = archive.namelist()
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert {"run_autograder", "run_otter.py", "setup.sh", "otter_config.json"} <= set(names)
    assert re.search(r"^torch==.*", pins, re.MULTILINE).group() in environment
    assert "/autograder/source/files/rfm-tutorial" in environment
    for path in ("pyproject.toml", "rfm_tutorial/proctor.py", "rfm_tutorial/rfm.py"):
        assert f"files/rfm-tutorial/{path}" in names


@pytest.mark.slow
@each_assignment
def test_twenty_points_each(built: Path, name: str) -> None:
    text = "\n".join("".join(cell["source"]) for cell in handed_out(built, name)["cells"])
    assert sum(float(points) for points in re.findall(r"_Points:_ ([\d.]+)", text)) == 20


def blocks(notebook: dict) -> list[tuple[str, str]]:
    """(kind, code) of a source notebook's cells: "solution", "hidden" or "public"."""
    found, inside = [], set()
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "raw":
            if edge := re.match(r"# (BEGIN|END) (\w+)", source):
                (inside.add if edge[1] == "BEGIN" else inside.discard)(edge[2])
        elif "TESTS" in inside:
            found.append(("hidden" if "hidden: true" in source else "public", source))
        else:
            found.append(("solution" if "SOLUTION" in inside else "public", source))
    return found


def secrets(notebook: dict) -> set[str]:
    """Lines of solutions, names and texts of hidden tests: nothing that is public as well."""
    found = set()
    for kind, source in blocks(notebook):
        if kind == "hidden":
            tree = ast.parse(source)
            found |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
            found |= {text for text in texts if isinstance(text, str) and len(text) > 12}
        if kind == "solution":
            for block in re.findall(r"# BEGIN SOLUTION.*?\n(.*?)# END SOLUTION", source, re.S):
                found |= {line.strip() for line in block.splitlines()}
            found |= {line.strip() for line in re.findall(r"= (.*?)  # SOLUTION$", source, re.M)}
            if "BEGIN PROMPT" not in source and not re.search(r"SOLUTION", source):
                found |= set(source.splitlines())
    public = "\n".join(source for kind, source in blocks(notebook) if kind == "public")
    return {text for text in found if len(text) > 12 and text not in public}


def all_text(notebook: dict) -> str:
    """Everything that a notebook says: cells, outputs and metadata."""
    pieces = [json.dumps(notebook["metadata"], ensure_ascii=False)]
    pieces += notebook["metadata"].get("otter", {}).get("tests", {}).values()
    for cell in notebook["cells"]:
        pieces += ["".join(cell["source"]), json.dumps(cell.get("outputs", []))]
    return "\n".join(pieces)


@pytest.mark.slow
@each_assignment
def test_nothing_leaks_to_students(built: Path, name: str) -> None:
    kept = secrets(json.loads(SOURCES[name].read_text(encoding="utf-8")))
    assert len(kept) > 40
    seen = all_text(handed_out(built, name))
    assert [text for text in kept if text in seen] == []
    assert "hidden=True" not in seen
    # The search finds what is there: in the solutions and in the archive.
    beside = all_text(solution_of(built, name)) + "".join(files_with_tests(built, name).values())
    missing = [text for text in kept if text not in beside and repr(text)[1:-1] not in beside]
    assert len(missing) < 0.2 * len(kept), missing


# The last assignment has points that a human gives.
@pytest.mark.slow
@pytest.mark.parametrize("student", ["wrong", pytest.param("untouched", marks=pytest.mark.nightly)])
@pytest.mark.parametrize(
    "name", ["hw4", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("hw2", "hw3"))]
)
def test_otter_gives_the_same_marks(built: Path, tmp_path: Path, name: str, student: str) -> None:
    group = packed(WRONG[name])[0]
    lost = sum(points for wrong in group for points in wrong.lost.values())
    notebook, expected = {
        "untouched": (handed_out(built, name), 0),
        "wrong": (
            variant(solution_of(built, name), "wrong", [(w.old, w.new) for w in group]),
            automatic_points(built, name) - lost,
        ),
    }[student]
    folder, results = tmp_path / "submitted", tmp_path / "marked"
    folder.mkdir()
    (folder / f"{student}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    python("tools/grade_submissions.py", archive_of(built, name), folder, results)
    with (results / "marks.csv").open(encoding="utf-8", newline="") as table:
        totals = {row["student"]: float(row["total"]) for row in csv.DictReader(table)}
    assert totals == {student: expected}


@cache
def automatic_points(built: Path, name: str) -> float:
    """The points of an assignment that need no human."""
    from otter.test_files.exception_test import ExceptionTestFile

    tests = [
        ExceptionTestFile.from_string(source) for source in files_with_tests(built, name).values()
    ]
    return sum(test.possible for test in tests)
