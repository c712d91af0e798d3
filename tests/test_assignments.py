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


@pytest.fixture(scope="module")
def in_process(built: Path) -> dict[str, list[dict]]:
    """Of each assignment: the solution of 200 students, the author's with each mistake, and
    the notebook as it is handed out, with the public tests."""

    def run(name: str) -> list[dict]:
        wrong = [[[w.old, w.new]] for w in WRONG[name]]
        variants = [{"student": student, "changes": []} for student in STUDENTS]
        variants += [{"student": AUTHOR, "changes": changes} for changes in wrong]
        job = {"notebook": solution_of(built, name), "tests": files_with_tests(built, name)}
        printed = python("tests/in_process.py", input=json.dumps(job | {"variants": variants}))
        untouched = handed_out(built, name)
        job = {"notebook": untouched, "tests": untouched["metadata"]["otter"]["tests"]}
        job["variants"] = [{"student": AUTHOR, "changes": []}]
        public = python("tests/in_process.py", input=json.dumps(job))
        return json.loads(printed) + json.loads(public)

    last_first = list(reversed(SOURCES))  # the last one takes longest
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(last_first, pool.map(run, last_first), strict=True))


@pytest.mark.slow
@each_assignment
def test_the_solution_is_right_for_200_students(
    in_process: dict[str, list[dict]], name: str
) -> None:
    for student, result in zip(STUDENTS, in_process[name], strict=False):
        lost = {q: m for q, m in result["messages"].items() if m}
        assert lost == {}, student
        assert all(got == most for got, most in result["points"].values()), student


@pytest.mark.slow
@each_assignment
def test_nobody_waits_twice_as_long_as_another(
    in_process: dict[str, list[dict]], name: str
) -> None:
    seconds: dict[int, list[float]] = {modulus: [] for modulus in MODULI[name]}
    for student, result in zip(STUDENTS, in_process[name], strict=False):
        seconds[numbers_for(student, name).modulus].append(result["seconds"])
    # CPU seconds; the median, because a single one depends on what else the machine does.
    medians = [statistics.median(values) for values in seconds.values()]
    assert max(medians) < 2 * min(medians)
    assert max(medians) < 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "number"), [(name, i) for name, wrong in WRONG.items() for i in range(len(wrong))]
)
def test_a_wrong_answer_costs_what_it_should_and_hears_why(
    in_process: dict[str, list[dict]], name: str, number: int
) -> None:
    wrong, result = WRONG[name][number], in_process[name][len(STUDENTS) + number]
    lost = {q: most - got for q, (got, most) in result["points"].items() if got != most}
    assert lost == wrong.lost
    first = next(iter(wrong.lost))
    assert wrong.hint in "\n".join(result["messages"][first])


@each_assignment
def test_there_are_five_wrong_answers_and_more(name: str) -> None:
    assert len(WRONG[name]) >= 5


@pytest.mark.slow
@each_assignment
def test_public_checks_say_what_to_do(in_process: dict[str, list[dict]], name: str) -> None:
    untouched = in_process[name][-1]
    for question, messages in untouched["messages"].items():
        assert messages, f"{question} passes without an answer"
        for message in messages:
            said = message.rpartition("\n")[2]
            kind, _, text = said.partition(": ")
            assert kind in ("AssertionError", "ValueError", "TypeError"), message
            assert re.search(r"should|must|returned|replace|complete", text), message


# ---------------------------------------------------------------- a batch of 30, through otter


def variant(notebook: dict, student: str, changes: list[tuple[str, str]]) -> dict:
    """A copy of a solution with another id and with some text changed."""
    result = copy.deepcopy(notebook)
    for cell in result["cells"]:
        source = "".join(cell["source"]).replace(f'"{AUTHOR}"', f'"{student}"')
        for old, new in changes:
            source = source.replace(old, new)
        cell["source"] = source
    return result


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


# The text that goes before a function of question 4, which question 6 needs: 7 of 20 points.
WITHOUT_QUESTION_4 = 13.0
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
        "exec(text[:text.index('mark')])\nraise SystemExit\n",
        WITHOUT_QUESTION_4,
        "",
    ),
    "ends-the-process": ("import os\nos._exit(0)\n", 0, "Kernel died"),
    "leaves-a-process": (
        "import subprocess\nsubprocess.Popen(['sleep', '98765'], start_new_session=True)\n",
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


def submissions(built: Path, folder: Path) -> dict[str, tuple[float, str]]:
    """Write the batch for the first assignment; return what each should get, and its note."""
    solution = solution_of(built, "hw1")
    expected: dict[str, tuple[float, str]] = {}

    def write(student: str, notebook: dict | str, points: float, note: str = "") -> None:
        text = notebook if isinstance(notebook, str) else json.dumps(notebook)
        (folder / f"{student}.ipynb").write_text(text, encoding="utf-8")
        expected[student] = points, note

    def write_zip(student: str, notebooks: list[dict], points: float, note: str = "") -> None:
        with zipfile.ZipFile(folder / f"{student}.zip", "w") as archive:
            for number, notebook in enumerate(notebooks):
                archive.writestr(f"hw1{'-copy' * number}.ipynb", json.dumps(notebook))
        expected[student] = points, note

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
        write(student, variant(solution, student, changes), 20 - lost)
    function = "def unordered(pairs, p):"
    for student, (code, points, note) in BEFORE_QUESTION_4.items():
        changes = [(function, f"{code}\n\n{function}")]
        write(student, variant(solution, student, changes), points, note)
    for student, (code, points, note) in INSTEAD_OF_QUESTION_4.items():
        notebook = variant(solution, student, [])
        for cell in notebook["cells"]:
            if function in cell["source"]:
                cell["source"] = code
        write(student, notebook, points, note)
    more = variant(solution, "own-test", [('grader.check("q6")', 'grader.check("bonus")')])
    own = files_with_tests(built, "hw1")["q0"].replace('name = "q0"', 'name = "bonus"')
    more["metadata"]["otter"]["tests"]["bonus"] = own.replace("points = 0", "points = 100")
    write("own-test", more, 20)
    return expected


@pytest.fixture(scope="module")
def batch(built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Thirty submissions to the first assignment, graded two at a time."""
    folder, results = (tmp_path_factory.mktemp(name) for name in ("submissions", "results"))
    expected = submissions(built, folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    before[archive_of(built, "hw1")] = archive_of(built, "hw1").read_bytes()
    started = time.monotonic()
    python(
        "tools/grade_submissions.py",
        *(archive_of(built, "hw1"), folder, results, "--seconds", 45),
    )
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
        "seconds": seconds,
    }


@pytest.mark.slow
def test_thirty_submissions_get_what_they_earned(batch: dict[str, Any]) -> None:
    rows, expected = batch["rows"], batch["expected"]
    assert len(expected) == 30
    # What a submission that holds all memory can still answer depends on the machine.
    assert float(rows["memory"]["total"]) <= WITHOUT_QUESTION_4
    totals = {s: float(row["total"]) for s, row in rows.items() if s != "memory"}
    assert totals == {s: points for s, (points, _) in expected.items() if s != "memory"}
    for student, (_, note) in expected.items():
        assert re.search(note, rows[student]["note"]), student
        assert bool(note) == bool(rows[student]["note"]), student


@pytest.mark.slow
def test_what_is_not_broken_keeps_its_points(batch: dict[str, Any]) -> None:
    row = batch["rows"]["loop-in-a-cell"]
    points = [float(row[f"q{number}"]) for number in range(7)]
    assert points == [0, 3, 4, 3, 0, 3, 0]


@pytest.mark.slow
def test_no_submission_takes_longer_than_it_may(batch: dict[str, Any]) -> None:
    assert max(float(row["seconds"]) for row in batch["rows"].values()) < 5 * 60 + 30


@pytest.mark.slow
def test_a_submission_harms_no_other_and_leaves_nothing(batch: dict[str, Any]) -> None:
    assert all(path.read_bytes() == content for path, content in batch["before"].items())
    commands = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert ["sleep", "98765"] not in commands


@pytest.mark.slow
def test_a_student_can_be_told_why(batch: dict[str, Any]) -> None:
    group = packed(WRONG["hw1"])[0]
    found = json.loads((batch["results"] / "wrong-0" / "results.json").read_text(encoding="utf-8"))
    outputs = {test["name"]: test["output"] for test in found["tests"]}
    for wrong in group:
        assert wrong.hint in outputs[next(iter(wrong.lost))]


@pytest.fixture(scope="module")
def others(built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """Two submissions to each of the other assignments, through otter."""
    rows = {}
    for name in list(SOURCES)[1:]:
        folder, results = (tmp_path_factory.mktemp(kind) for kind in ("submitted", "marked"))
        untouched = handed_out(built, name)
        group = packed(WRONG[name])[0]
        wrong = variant(solution_of(built, name), "wrong", [(w.old, w.new) for w in group])
        for student, notebook in {"untouched": untouched, "wrong": wrong}.items():
            (folder / f"{student}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
        python("tools/grade_submissions.py", archive_of(built, name), folder, results)
        with (results / "marks.csv").open(encoding="utf-8", newline="") as table:
            rows[name] = {row["student"]: row for row in csv.DictReader(table)}
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SOURCES)[1:])
def test_otter_gives_the_same_marks(others: dict[str, dict], built: Path, name: str) -> None:
    assert float(others[name]["untouched"]["total"]) == 0
    group = packed(WRONG[name])[0]
    lost = sum(points for wrong in group for points in wrong.lost.values())
    assert float(others[name]["wrong"]["total"]) == automatic_points(built, name) - lost


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
        mark(answer, lambda x: 2 * x, {"x = 3": lambda: (3,)}, {"squared": lambda x: x**2}, "a")

    check(lambda x: x + x)
    for answer, reason in [
        (lambda x: x * x, "squared"),
        (lambda x: 7, "returned 7, which is not right"),
        (lambda x: sys.exit(), "it ends the program"),
        (3, "needs your function itself"),
    ]:
        with pytest.raises(AssertionError, match=reason):
            check(answer)
    mark_value(2.0, 2.0, {}, "share")
    with pytest.raises(AssertionError, match="half of it"):
        mark_value(1.0, 2.0, {"half of it": 1.0}, "share")
    with pytest.raises(AssertionError, match="share: this is not right, got None"):
        mark_value(None, 2.0, {}, "share")
