"""The graded assignments, end to end: build, hand out, answer in many ways, grade."""

import ast
import copy
import csv
import json
import os
import re
import statistics
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest
from wrong_answers import WRONG, Wrong

from rfm_tutorial import coursework
from rfm_tutorial.coursework import MODULI, mark, mark_value, numbers_for, time_limit

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {path.stem: path for path in sorted(ROOT.glob("assignments/hw*/hw*.ipynb"))}
each_assignment = pytest.mark.parametrize("name", SOURCES)

SAMPLE_OR_WHOLE = ["sample", pytest.param("whole", marks=pytest.mark.nightly)]

STUDENTS = [f"student{number:03d}" for number in range(200)]
# An instructor's own id, which is in the solutions.
AUTHOR = "ada.lovelace"


def python(script: str, *arguments: object, **options: Any) -> str:
    """What a script of this project prints."""
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    env |= options.pop("env", {})
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=False, **options)
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


# ---------------------------------------------------------------- what is built


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All assignments, built on a machine where no address can be reached."""
    folder = tmp_path_factory.mktemp("assignments")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    python("tools/build_assignments.py", folder, env=nowhere)
    return folder


def archive_of(built: Path, name: str) -> Path:
    return built / SOURCES[name].parent.name / "autograder" / f"{name}-autograder.zip"


def solution_of(built: Path, name: str) -> dict:
    path = built / SOURCES[name].parent.name / "autograder" / f"{name}.ipynb"
    return json.loads(path.read_text(encoding="utf-8"))


def handed_out(built: Path, name: str) -> dict:
    path = built / SOURCES[name].parent.name / "student" / f"{name}.ipynb"
    return json.loads(path.read_text(encoding="utf-8"))


def files_with_tests(built: Path, name: str) -> dict[str, str]:
    with zipfile.ZipFile(archive_of(built, name)) as archive:
        names = [path for path in archive.namelist() if path.startswith("tests/")]
        return {Path(path).stem: archive.read(path).decode() for path in sorted(names)}


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


# ---------------------------------------------------------------- what leaks


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


# ---------------------------------------------------------------- many students, in one process


def chosen(name: str) -> list[str]:
    """Those of the 200 who stand for all.

    For each modulus and each operation, which `hw3` takes from the seed: who has the smallest and
    who has the largest factor.
    """
    groups: dict[tuple[int, int], list[str]] = {}
    for student in sorted(STUDENTS, key=lambda student: numbers_for(student, name).factor):
        numbers = numbers_for(student, name)
        groups.setdefault((numbers.modulus, numbers.seed % 4), []).append(student)
    return [student for group in groups.values() for student in (group[0], group[-1])]


def packed(wrong: list[Wrong]) -> list[list[Wrong]]:
    """Groups of wrong answers that concern different questions."""
    groups: list[list[Wrong]] = []
    for one in wrong:
        for group in groups:
            if not any(set(one.lost) & set(other.lost) for other in group):
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


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
    assert len(set(numbers)) == 16
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


# ---------------------------------------------------------------- a batch, through otter


def variant(notebook: dict, student: str, changes: list[tuple[str, str]]) -> dict:
    """A copy of a solution with another id and with some text changed."""
    result = copy.deepcopy(notebook)
    for cell in result["cells"]:
        source = "".join(cell["source"]).replace(f'"{AUTHOR}"', f'"{student}"')
        for old, new in changes:
            source = source.replace(old, new)
        cell["source"] = source
    return result


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
SAMPLE = (
    "a-loop-that-catches",
    "deletes-everything",
    "ends-the-process",
    "garbage",
    "memory",
    "other-assignment",
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


# The last one has points that a human gives.
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["hw4", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("hw2", "hw3"))]
)
def test_otter_gives_the_same_marks(built: Path, tmp_path: Path, name: str) -> None:
    folder, results = tmp_path / "submitted", tmp_path / "marked"
    folder.mkdir()
    group = packed(WRONG[name])[0]
    wrong = variant(solution_of(built, name), "wrong", [(w.old, w.new) for w in group])
    for student, notebook in {"untouched": handed_out(built, name), "wrong": wrong}.items():
        (folder / f"{student}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    python("tools/grade_submissions.py", archive_of(built, name), folder, results)
    with (results / "marks.csv").open(encoding="utf-8", newline="") as table:
        totals = {row["student"]: float(row["total"]) for row in csv.DictReader(table)}
    lost = sum(points for wrong in group for points in wrong.lost.values())
    assert totals == {"untouched": 0, "wrong": automatic_points(built, name) - lost}


@cache
def automatic_points(built: Path, name: str) -> float:
    """The points of an assignment that need no human."""
    from otter.test_files.exception_test import ExceptionTestFile

    tests = [
        ExceptionTestFile.from_string(source) for source in files_with_tests(built, name).values()
    ]
    return sum(test.possible for test in tests)


# ---------------------------------------------------------------- the small module behind them


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
