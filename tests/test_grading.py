"""Batches of submissions, with all kinds of trouble in them, graded through otter."""

import csv
import json
import os
import re
import time
import zipfile
from pathlib import Path
from typing import Any

import psutil
import pytest
from handouts import (
    AUTHOR,
    SAMPLE_OR_WHOLE,
    archive_of,
    files_with_tests,
    handed_out,
    packed,
    python,
    solution_of,
    variant,
)
from wrong_answers import WRONG

# Question 6 needs the functions of questions 4 and 5.
FUNCTIONS = {
    "q1": "def skew_table(p, c):",
    "q2": "def fill_forced(table):",
    "q4": "def unordered(pairs, p):",
    "q5": "def first_of_each(pairs):",
}
# Trouble in the cell of question 4 costs 7 of 20 points.
WITHOUT_QUESTION_4 = 13.0
# A number of its own, for machines on which several test at once.
SLEEPER = ["sleep", str(10**6 + os.getpid())]
NOT_AN_ANSWER = "\n\n\ndef unordered(pairs, p):\n    return torch.zeros(len(pairs), p).double()\n"
BEFORE_QUESTION_4 = {
    # The first in the alphabet: it takes longest, and another runs beside it.
    "a-loop-that-catches": (
        "while True:\n    try:\n        while True:\n            pass\n"
        "    except BaseException:\n        pass\n",
        0,
        "Kernel died|stopped after",
    ),
    "loop-in-a-cell": ("while True:\n    pass\n", WITHOUT_QUESTION_4, ""),
    "endless-printing": ("while True:\n    print('x' * 1000)\n", WITHOUT_QUESTION_4, ""),
    "memory": ("held = []\nwhile True:\n    held.append(bytes(10**8))\n", WITHOUT_QUESTION_4, ""),
    "huge-file": (
        "with open('x', 'wb') as f:\n    while True:\n        f.write(bytes(10**7))\n",
        WITHOUT_QUESTION_4,
        "",
    ),
    "deletes-everything": (
        "import shutil\nfrom pathlib import Path\nfor path in (Path.cwd().parent, Path.home()):\n"
        "    shutil.rmtree(path, ignore_errors=True)\n",
        0,
        "otter ended with",
    ),
    "deletes-tests": (
        "import shutil\nshutil.rmtree('tests', ignore_errors=True)\n"
        "from pathlib import Path\n[p.unlink() for p in Path('..').rglob('*.py')]\n",
        20,
        "",
    ),
    "reads-tests": (
        "from pathlib import Path\n"
        "text = ''.join(p.read_text() for p in Path('..').rglob('tests/*.py'))\n"
        "text = text[text.index('def right(pairs, p)'):].replace('right', 'unordered')\n"
        "exec(text[:text.index('cases')])\nraise SystemExit\n",
        WITHOUT_QUESTION_4,
        "",
    ),
    "ends-the-process": ("import os\nos._exit(0)\n", 0, "Kernel died"),
    "leaves-a-process": (
        f"import subprocess\nsubprocess.Popen({SLEEPER}, start_new_session=True)\n",
        20,
        "",
    ),
    "leaves-a-thread": (
        "import threading\nimport time\n"
        "threading.Thread(target=lambda: [time.sleep(1) for _ in range(10**6)]).start()\n",
        20,
        "",
    ),
}
INSTEAD_OF_QUESTION_4 = {
    "loop-in-a-function": (
        "def unordered(pairs, p):\n    while True:\n        pass\n",
        WITHOUT_QUESTION_4,
        "",
    ),
    "ends-in-a-function": (
        "def unordered(pairs, p):\n    raise SystemExit\n",
        WITHOUT_QUESTION_4,
        "",
    ),
    "redefines-check": (
        f"grader.check = lambda question: print('all passed'){NOT_AN_ANSWER}",
        WITHOUT_QUESTION_4,
        "",
    ),
    "redefines-otter": (
        "from otter.execute import Checker\n"
        "from otter.test_files import GradingResults\n"
        "from otter.test_files.exception_test import ExceptionTestFile\n"
        "from otter.test_files.abstract_test import TestCaseResult\n\n\n"
        "def run(self, env):\n"
        "    self.test_case_results = [\n"
        "        TestCaseResult(test_case=case, message='', passed=True)\n"
        "        for case in self.test_cases\n    ]\n\n\n"
        "ExceptionTestFile.run = run\n"
        f"Checker.check_if_not_already_checked = lambda *a: None{NOT_AN_ANSWER}",
        WITHOUT_QUESTION_4,
        "",
    ),
    "redefines-mark": (
        "import rfm_tutorial.coursework\n"
        "rfm_tutorial.coursework.mark = lambda *a, **k: None\n"
        f"rfm_tutorial.coursework.mark_value = lambda *a, **k: None{NOT_AN_ANSWER}",
        WITHOUT_QUESTION_4,
        "",
    ),
    "redefines-torch": (
        f"torch.isclose = lambda a, b, **k: torch.ones_like(a, dtype=bool){NOT_AN_ANSWER}",
        0,
        "A control test passed that must fail",
    ),
}

# Most of what a submission costs is its start. So in the sample a few notebooks have several kinds
# of trouble, each before the function of its question. Functions that loop or end the program are
# left to the whole batch: `test_marks_give_reasons` tries them without otter.
SEVERAL = {
    "stopped-cells": (
        {"q1": "loop-in-a-cell", "q2": "endless-printing", "q4": "reads-tests", "q5": "huge-file"},
        3,
    ),
    "survived": (
        {"q1": "deletes-tests", "q2": "leaves-a-process", "q4": "leaves-a-thread"},
        20,
    ),
}
REDEFINITIONS = ("redefines-otter", "redefines-mark")
# Of several that end in the same way there is one.
SAMPLE = (
    "a-loop-that-catches",
    "deletes-everything",
    "garbage",
    "redefines-torch",
    "redefinitions",
    *SEVERAL,
    "two-notebooks",
    "wrong-0",
)


def submissions(built: Path, folder: Path, sample: bool) -> dict[str, tuple[float, str]]:
    """Write a batch for the first assignment; return what each should get, and its note."""
    solution = solution_of(built, "hw1")
    expected: dict[str, tuple[float, str]] = {}

    def write(student: str, notebook: dict | str, points: float, note: str = "") -> None:
        if sample and student not in SAMPLE:
            return
        text = notebook if isinstance(notebook, str) else json.dumps(notebook)
        (folder / f"{student}.ipynb").write_text(text, encoding="utf-8")
        expected[student] = points, note

    def write_zip(student: str, notebooks: list[dict], points: float, note: str = "") -> None:
        if sample and student not in SAMPLE:
            return
        with zipfile.ZipFile(folder / f"{student}.zip", "w") as archive:
            for number, notebook in enumerate(notebooks):
                archive.writestr(f"hw1{'-copy' * number}.ipynb", json.dumps(notebook))
        expected[student] = points, note

    def with_code(notebook: dict, student: str, codes: dict[str, str]) -> dict:
        changes = [(FUNCTIONS[q], f"{code}\n\n{FUNCTIONS[q]}") for q, code in codes.items()]
        return variant(notebook, student, changes)

    def write_instead(student: str, code: str, points: float, note: str = "") -> None:
        notebook = variant(solution, student, [])
        for cell in notebook["cells"]:
            if FUNCTIONS["q4"] in cell["source"]:
                cell["source"] = code
        write(student, notebook, points, note)

    write(AUTHOR, solution, 20)
    write_zip("grace.hopper", [variant(solution, "grace.hopper", [])], 20)
    write_zip("two-notebooks", [solution, solution], 0, "2 notebooks in the zip file")
    write("someone-else", solution, 20, f"the notebook says STUDENT = '{AUTHOR}'")
    write("untouched", handed_out(built, "hw1"), 0)
    write("garbage", '{"cells": [', 0, "not a notebook that can be run")
    write("empty", {**solution, "cells": []}, 0)
    write("other-assignment", solution_of(built, "hw2"), 0, "assignment 'hw2'")
    write("first-cell", variant(solution, "first-cell", [("import torch\n", "import torhc\n")]), 2)
    for number, group in enumerate(packed(WRONG["hw1"])[:3]):
        student = f"wrong-{number}"
        lost = sum(points for one in group for points in one.lost.values())
        changes = [(one.old, one.new) for one in group]
        write_zip(student, [variant(solution, student, changes)], 20 - lost)
    for student, (code, points, note) in BEFORE_QUESTION_4.items():
        write(student, with_code(solution, student, {"q4": code}), points, note)
    for student, (code, points, note) in INSTEAD_OF_QUESTION_4.items():
        write_instead(student, code, points, note)
    more = variant(solution, AUTHOR, [('grader.check("q6")', 'grader.check("bonus")')])
    own = files_with_tests(built, "hw1")["q0"].replace('name = "q0"', 'name = "bonus"')
    more["metadata"]["otter"]["tests"]["bonus"] = own.replace("points = 0", "points = 100")
    write("own-test", variant(more, "own-test", []), 20)
    if sample:
        for student, (kinds, points) in SEVERAL.items():
            codes = {question: BEFORE_QUESTION_4[kind][0] for question, kind in kinds.items()}
            write(student, with_code(more, student, codes), points)
        codes = [INSTEAD_OF_QUESTION_4[kind][0] for kind in REDEFINITIONS]
        write_instead("redefinitions", "\n\n".join(codes), WITHOUT_QUESTION_4)
    return expected


def with_cell_limit(archive: Path, seconds: int, result: Path) -> Path:
    """A copy of an autograder archive that stops cells after so many seconds."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "otter_config.json":
                config = json.loads(content)
                (plugin,) = config["plugins"]
                plugin["rfm_tutorial.proctor.Proctor"]["seconds"] = seconds
                content = json.dumps(config)
            new.writestr(name, content)
    return result


@pytest.fixture(scope="module", params=SAMPLE_OR_WHOLE)
def batch(
    request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Submissions to the first assignment, graded two at a time: a sample with short limits, or all
    thirty, each kind of trouble in a notebook of its own, with the limits that students have."""
    folder, results = (tmp_path_factory.mktemp(name) for name in ("submissions", "results"))
    sample = request.param == "sample"
    expected = submissions(built, folder, sample)
    archive, limit, patience = archive_of(built, "hw1"), 45, 15
    if sample:
        archive = with_cell_limit(archive, 3, tmp_path_factory.mktemp("archive") / archive.name)
        # None of them sleeps, and on a busy machine everything takes longer on the clock.
        limit, patience = 20, 30
    before = {path: path.read_bytes() for path in (*folder.iterdir(), archive)}
    started = time.monotonic()
    limits = ("--seconds", limit, "--patience", patience)
    python("tools/grade_submissions.py", archive, folder, results, *limits)
    seconds = time.monotonic() - started
    with (results / "marks.csv").open(encoding="utf-8", newline="") as table:
        rows = {row["student"]: row for row in csv.DictReader(table)}
    print(f"{len(rows)} submissions in {seconds:.0f} s")
    for row in rows.values():
        print(*(f"{value:>6}" for value in row.values()))
    return {
        "expected": expected,
        "rows": rows,
        "before": before,
        "results": results,
        "at_most": limit * patience,
    }


@pytest.mark.slow
def test_submissions_get_what_they_earned(batch: dict[str, Any]) -> None:
    rows, expected = batch["rows"], batch["expected"]
    assert set(expected) == set(SAMPLE) or len(expected) == 30
    # What a submission that holds all memory can still answer depends on the machine.
    if "memory" in expected:
        assert float(rows["memory"]["total"]) <= WITHOUT_QUESTION_4
    totals = {s: float(row["total"]) for s, row in rows.items() if s != "memory"}
    assert totals == {s: points for s, (points, _) in expected.items() if s != "memory"}
    for student, (_, note) in expected.items():
        assert re.search(note, rows[student]["note"]), student
        assert bool(note) == bool(rows[student]["note"]), student


@pytest.mark.slow
def test_what_is_not_broken_keeps_its_points(batch: dict[str, Any]) -> None:
    kept = {"loop-in-a-cell": [0, 3, 4, 3, 0, 3, 0], "stopped-cells": [0, 0, 0, 3, 0, 0, 0]}
    (student,) = kept.keys() & batch["rows"].keys()
    row = batch["rows"][student]
    assert [float(row[f"q{number}"]) for number in range(7)] == kept[student]


@pytest.mark.slow
def test_no_submission_takes_longer_than_it_may(batch: dict[str, Any]) -> None:
    assert max(float(row["seconds"]) for row in batch["rows"].values()) < batch["at_most"] + 60


@pytest.mark.slow
def test_a_submission_harms_no_other_and_leaves_nothing(batch: dict[str, Any]) -> None:
    assert all(path.read_bytes() == content for path, content in batch["before"].items())
    commands = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert SLEEPER not in commands


@pytest.mark.slow
def test_a_student_can_be_told_why(batch: dict[str, Any]) -> None:
    group = packed(WRONG["hw1"])[0]
    found = json.loads((batch["results"] / "wrong-0" / "results.json").read_text(encoding="utf-8"))
    outputs = {test["name"]: test["output"] for test in found["tests"]}
    for wrong in group:
        assert wrong.hint in outputs[next(iter(wrong.lost))]
