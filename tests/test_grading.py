"""A batch of submissions, honest, odd and hostile, graded as an instructor does.

A sample runs in `make test`; `make grading` runs the whole batch and prints its table. Both are
killed in between, and go on.
"""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from handouts import AUTHOR, ROOT, SAMPLE_OR_WHOLE, archive_of, files_with_tests, solution_of
from marks_table import LAST, MarksTable
from submission_bank import SLEEPER, TOKEN, submissions, troubles
from submissions import name_of, submissions_in

from rfm_tutorial import sandbox

# What costs little and shows much. All others run in `make grading`.
SAMPLE = {
    AUTHOR,
    "Emmy Noether",
    "a-loop-that-catches",
    "a-report.pdf",
    "fork-bomb",
    "friend",
    "mac",
    "magics",
    "marks.csv",
    "own-tensor",
    "raises-what-it-sees",
    "reads-other-files",
    "redefines-mark",
    "Twice",
    "wrong-0",
    "writes-to-the-package",
}
# A number by which to know the processes of this run.
OWN = os.getpid() % 1000 / 1000
SAMPLE_LIMITS = {"--seconds": 15 + OWN, "--cell-seconds": 4, "--gigabytes": 3}
LIMITS = {"--seconds": 30 + OWN, "--cell-seconds": 6, "--gigabytes": 4}


def start(archive: Path, folder: Path, results: Path, limits: dict[str, Any]) -> subprocess.Popen:
    script = ROOT / "tools" / "grade_submissions.py"
    given = [str(word) for pair in limits.items() for word in pair]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CANVAS_API_TOKEN": TOKEN}
    command = [sys.executable, str(script), str(archive), str(folder), str(results), *given]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def rows_of(results: Path) -> dict[str, dict[str, str]]:
    text = (results / "marks.csv").read_text(encoding="utf-8")
    return {row["student"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}


def files_below(folder: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module", params=SAMPLE_OR_WHOLE)
def batch(
    request: pytest.FixtureRequest,
    built: Path,
    sandboxes: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """Submissions, graded two at a time: killed after the first rows, then once more."""
    folder, results = (tmp_path_factory.mktemp(name) for name in ("submissions", "results"))
    sample = request.param == "sample"
    deserved = submissions(built, folder, SAMPLE if sample else None)
    archive, limits = archive_of(built, "hw1"), SAMPLE_LIMITS if sample else LIMITS
    package = files_below(sandbox.PACKAGE)
    before = files_below(folder) | {archive: archive.read_bytes()}
    started = time.monotonic()
    first = start(archive, folder, results, limits)
    while first.poll() is None:
        if (results / "marks.csv").exists() and len(rows_of(results)) > 2:
            first.kill()
        time.sleep(0.1)
    first.communicate()
    kept = rows_of(results)
    # Somebody gives points by hand, adds a column, and the last line is cut off.
    given = next(iter(kept))
    kept[given]["by_hand"] = "2,5"
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*kept[given], "remark"])
    writer.writeheader()
    writer.writerows({**row, "remark": "=seen"} for row in kept.values())
    (results / "marks.csv").write_text(f"\ufeff{text.getvalue()}zoe,zo", encoding="utf-8")
    second = start(archive, folder, results, limits)
    printed = second.communicate()[0].decode()
    assert second.returncode == 0, printed
    rows = rows_of(results)
    seconds = time.monotonic() - started
    print(f"\n{len(rows)} submissions in {seconds:.0f} s")
    print(f"{'submission':32s}  mark  at most  seconds  stopped; note")
    for name, row in sorted(rows.items()):
        most = deserved[name].most if name in deserved else -1
        said = f"{row['stopped']}; {row['note']}; {row['numbers_of']}".strip("; ")
        print(f"{name[:32]:32s} {row['total']:>5s} {most:8g} {row['seconds']:>8s}  {said[:90]}")
    return {
        "deserved": deserved,
        "rows": rows,
        "kept": kept,
        "given": given,
        "printed": printed,
        "before": before,
        "after": files_below(folder) | {archive: archive.read_bytes()},
        "package": package,
        "results": results,
        "at_most": 2 * limits["--seconds"],
        "alarm": f"{2 * limits['--seconds'] + 10:g}",
        "archive": archive,
        "folder": folder,
        "limits": limits,
    }


@pytest.mark.slow
def test_everyone_gets_what_they_deserve(batch: dict[str, Any]) -> None:
    rows, deserved = batch["rows"], batch["deserved"]
    assert set(rows) == set(deserved)
    assert set(deserved) == SAMPLE or len(deserved) >= 60
    wrong = {}
    for name, (least, most, note, stopped) in deserved.items():
        row = rows[name]
        points = float(row["total"]) - (2.5 if name == batch["given"] else 0)
        said = re.search(note, row["note"]) and re.search(stopped, row["stopped"])
        silent = least < most or (bool(note), bool(stopped)) == (
            bool(row["note"]),
            bool(row["stopped"]),
        )
        if not (least <= points <= most and said and silent):
            wrong[name] = (points, row["note"], row["stopped"], deserved[name])
    assert wrong == {}


@pytest.mark.slow
def test_a_grader_that_is_killed_loses_nothing(batch: dict[str, Any]) -> None:
    rows, kept = batch["rows"], batch["kept"]
    assert 2 < len(kept) < len(rows)
    assert f"{len(kept)} of them graded before" in batch["printed"]
    for name, row in kept.items():
        assert rows[name]["seconds"] == row["seconds"], "it was graded once more"
        assert rows[name]["remark"] == "=seen"
    assert rows[batch["given"]]["by_hand"] == "2,5"


@pytest.mark.slow
def test_grading_one_again_keeps_points_by_hand(batch: dict[str, Any]) -> None:
    name = batch["given"]
    limits = {**batch["limits"], "--again": name}
    run = start(batch["archive"], batch["folder"], batch["results"], limits)
    assert "of them graded before" in run.communicate()[0].decode()
    row, before = rows_of(batch["results"])[name], batch["rows"][name]
    same = ("by_hand", "remark", "total", *(f"q{number}" for number in range(7)))
    assert {key: row[key] for key in same} == {key: before[key] for key in same}
    assert list(rows_of(batch["results"])) == list(batch["rows"])


@pytest.mark.slow
def test_no_submission_takes_longer_than_it_may(batch: dict[str, Any]) -> None:
    # On a busy machine its end takes a moment.
    most = batch["at_most"] + 15
    assert max(float(row["seconds"]) for row in batch["rows"].values()) < most


@pytest.mark.slow
def test_a_submission_harms_nothing_and_leaves_nothing(batch: dict[str, Any]) -> None:
    assert batch["before"] == batch["after"]
    now = files_below(sandbox.PACKAGE)
    assert all(now[path] == content for path, content in batch["package"].items())
    # A sandbox that was just being made when the grader was killed ends by its own clock.
    until = time.monotonic() + batch["at_most"] + 15
    left = [SLEEPER]
    while left and time.monotonic() < until:
        commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
        left = [one for one in commands if one == SLEEPER or batch["alarm"] in one]
        time.sleep(0.2)
    assert left == []


@pytest.mark.slow
def test_nothing_secret_comes_back(batch: dict[str, Any], built: Path) -> None:
    texts = {p: c.decode() for p, c in files_below(batch["results"]).items()}
    assert not [path for path, text in texts.items() if TOKEN in text]
    # Lines of hidden tests; what they say to a mistake is meant to be seen.
    lines = {
        line.strip()
        for text in files_with_tests(built, "hw1").values()
        for line in text.splitlines()
        if len(line.strip()) > 30 and not line.strip().startswith(("assert", "mistakes"))
    }
    assert len(lines) > 50
    results = "".join(text for path, text in texts.items() if path.name == "results.json")
    assert not [line for line in lines if line in results or json.dumps(line)[1:-1] in results]
    assert "Error at line" not in results


@pytest.mark.slow
def test_otter_alone_does_the_same(batch: dict[str, Any], tmp_path: Path) -> None:
    name = "wrong-0"
    command = [sys.executable, "-m", "otter", "run", "--no-logo", "-a", str(batch["archive"])]
    command += ["-o", str(tmp_path), str(batch["folder"] / f"{name}.ipynb")]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, check=True)
    path = batch["results"] / "students" / name / "results.json"
    alone, beside = (
        {
            test["name"]: (test.get("score"), test.get("output"))
            for test in json.loads(text)["tests"]
        }
        for text in ((tmp_path / "results.json").read_text(), path.read_text())
    )
    assert alone == beside


@pytest.mark.slow
def test_a_student_can_be_told_why(batch: dict[str, Any]) -> None:
    path = batch["results"] / "students" / "wrong-0" / "results.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    outputs = " ".join(test.get("output", "") for test in found["tests"])
    assert "the example says otherwise" in outputs
    assert "you stop after one pass" in outputs


@pytest.mark.slow
def test_numbers_of_others_are_flagged(batch: dict[str, Any]) -> None:
    rows = batch["rows"]
    assert AUTHOR in rows["friend"]["numbers_of"]
    assert float(rows["friend"]["q3"]) == 0
    assert AUTHOR in rows["marks.csv"]["numbers_of"]
    assert rows["mac"]["numbers_of"] == ""


def test_trouble_is_of_many_kinds() -> None:
    assert len(troubles()) > 50
    assert set(troubles()) & SAMPLE


def test_names_are_those_that_systems_give(tmp_path: Path) -> None:
    for given, name in {
        "ada.lovelace.ipynb": "ada.lovelace",
        "ada.IPYNB.TXT": "ada",
        "ada (2).zip": "ada",
        "marks.csv.ipynb": "marks.csv",
        "Ada Lovelace_123_assignsubmission_file_": "Ada Lovelace",
        "Ada Lovelace_123_assignsubmission_file_hw1.ipynb": "Ada Lovelace",
        "lovelaceada_LATE_12_34_hw1-1.ipynb": "lovelaceada",
    }.items():
        assert name_of(tmp_path / given) == name
    for name in (".hidden", "__MACOSX", "Thumbs.db", "Ada.ipynb", "ada.zip", "a_b", "..a"):
        (tmp_path / name).write_bytes(b"")
    found = submissions_in(tmp_path)
    assert [one.name for one in found] == ["Ada", "a_b"]
    for text in ("../../x", "..", "a/b", "x" * 300, "=cmd", "\n"):
        slug = type(found[0])(text).slug()
        assert Path(slug).name == slug
        assert len(slug) < 100
        assert not slug.startswith(".")


def test_a_table_keeps_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "marks.csv"
    with MarksTable(path, ["q1"]) as table:
        table.put(student="=cmd", id="@x", q1=1.0, seconds=2, note="a\nb", submission="1")
        table.put(student="b", q1=2.0, submission="2", note="-1")
        assert path.read_text().splitlines()[1:] == ["'=cmd,'@x,1,,1,2,,a?b,,1", "b,,2,,2,,,-1,,2"]
        with (
            pytest.raises(ValueError, match="is being written by another run"),
            MarksTable(path, []),
        ):
            pass
    # As a spreadsheet of another country saves it, with points by hand, cut off.
    text = path.read_text().replace(",", ";").replace("b;;2;;2", "b;;2;1,5;2")
    path.write_text(f"\ufeff{text}c;;1")
    with MarksTable(path, ["q1"]) as table:
        assert [row["total"] for row in table.rows.values()] == ["1", "3.5"]
        assert table.get("B") is not None
        assert table.get("=cmd") is not None
        table.put(student="b", q1=0.0)
        assert table.get("b") == {**table.rows["b"], "by_hand": "1,5", "total": "1.5"}
    path.write_text("name,points\n")
    with (
        pytest.raises(ValueError, match="must be the table of these results, and has no column"),
        MarksTable(path, ["q1"]),
    ):
        pass
    assert path.read_text() == "name,points\n"
    assert LAST[0] == "by_hand"


@pytest.mark.slow
def test_ctrl_c_leaves_a_table(built: Path, sandboxes: None, tmp_path: Path) -> None:
    folder, results = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    submissions(built, folder, {"a-report.pdf", "sleeps"})
    run = start(archive_of(built, "hw1"), folder, results, LIMITS)
    while not (results / "marks.csv").exists() or not rows_of(results):
        assert run.poll() is None
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    assert b"the same command goes on from here" in run.communicate(timeout=20)[0]
    assert run.returncode == 130
    assert list(rows_of(results)) == ["a-report.pdf"]


@pytest.mark.slow
def test_without_a_sandbox_it_has_to_be_said(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    text = json.dumps(solution_of(built, "hw1"))
    (tmp_path / "in" / f"{AUTHOR}.ipynb").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))
    archive = archive_of(built, "hw1")
    refused = start(archive, tmp_path / "in", tmp_path / "out", {})
    said = refused.communicate()[0].decode()
    assert refused.returncode == 2
    assert "there is no bubblewrap" in said
    assert "--without-sandbox" in said
    assert not (tmp_path / "out").exists()
    script = str(ROOT / "tools" / "grade_submissions.py")
    command = [sys.executable, script, str(archive), str(tmp_path / "in"), str(tmp_path / "out")]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [*command, "--without-sandbox"], env=env, capture_output=True, text=True, check=False
    )
    assert "WITHOUT A SANDBOX" in run.stderr
    assert rows_of(tmp_path / "out")[AUTHOR]["total"] == "20"
