"""Grade a folder of submissions with otter-grader's tests, on one machine.

    python tools/grade_submissions.py hw1-autograder.zip submissions results

Each submission runs in a sandbox (see rfm_tutorial.sandbox) that knows no tests; otter's tests run
here and ask it for its answers. Every row of `results/marks.csv` is written as soon as it is known,
and the same command goes on where it was stopped: it grades what is new or has changed. In
`results/students` there are, for each, otter's `results.json` and a log.
"""

import argparse
import json
import os
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from marks_table import MarksTable
from otter.run import AutograderConfig
from otter.test_files import GradingResults
from submissions import Handed, read, submissions_in

from rfm_tutorial.proctor import grade, wanted
from rfm_tutorial.sandbox import MISSING, why_no_sandbox


def contents(archive: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """The tests in an autograder archive, by question, and otter's settings."""
    with zipfile.ZipFile(archive) as opened:
        tests = {
            Path(name).stem: opened.read(name).decode()
            for name in sorted(opened.namelist())
            if name.startswith("tests/") and name.endswith(".py")
        }
        return tests, json.loads(opened.read("otter_config.json"))


def letters(text: str) -> list[str]:
    """The letters and digits of a name, in whatever order a system writes its parts."""
    return sorted(c for c in text.casefold() if c.isalnum())


def numbers(graded: GradingResults, values: dict[str, Any]) -> dict[str, dict]:
    """The numbers that a student computed, by question, and whether they are right."""
    found = {}
    for question, test in graded.results.items():
        own = [values.get(name) for name in sorted(wanted([test]))]
        own = [f"{value:.9g}" for value in own if isinstance(value, float)]
        if own:
            found[question] = {"numbers": own, "right": test.score == test.possible}
    return found


def row_of(
    handed: Handed,
    tests: dict[str, str],
    config: dict[str, Any],
    results: Path,
    limits: dict[str, Any],
) -> dict[str, Any]:
    """Grade one submission; details go into a folder of the student's own."""
    folder = results / "students" / handed.slug()
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    row = {"student": handed.name, "id": "", "stopped": "", "submission": "none", "numbers_of": ""}
    points = dict.fromkeys(tests, 0.0)
    found: dict[str, Any] = {}
    log, notes = "", []
    try:
        cells, row["submission"], notes = read(handed, config["assignment_name"])
        graded, submission, values = grade(tests, cells, **limits)
        points = {name: float(test.score) for name, test in graded.results.items()}
        settings = {name: value for name, value in config.items() if name != "plugins"}
        found = graded.to_gradescope_dict(AutograderConfig(settings))
        log, row["stopped"] = submission.printed[: 10**5], submission.stopped
        student = values.get("STUDENT")
        row["id"] = student[:100] if isinstance(student, str) else ""
        if not submission.stopped and letters(row["id"]) != letters(handed.name):
            notes.append(f"the notebook says STUDENT = {str(row['id'])[:60]!r}")
        text = json.dumps(numbers(graded, values))
        (folder / "numbers.json").write_text(text, encoding="utf-8")
    # Whatever is wrong with this one, it gets its row, and the others are graded.
    except Exception as error:
        notes.append(f"not graded: {str(error)[:300]}")
    (folder / "results.json").write_text(json.dumps(found, indent=2), encoding="utf-8")
    (folder / "log.txt").write_text(log, encoding="utf-8", errors="replace")
    seconds = round(time.monotonic() - started, 1)
    return {**row, **points, "seconds": seconds, "note": "; ".join(notes)}


def compare(table: MarksTable, everyone: list[Handed], results: Path) -> None:
    """Say of every row whose id it states, and whose right numbers it has for wrong ones."""
    ids: dict[str, set[str]] = {}
    right: dict[str, set[str]] = {}
    has: list[tuple[dict[str, str], dict[str, dict]]] = []
    for handed in everyone:
        row, path = table.get(handed.name), results / "students" / handed.slug() / "numbers.json"
        if row is None or not path.exists():
            continue
        has.append((row, json.loads(path.read_text(encoding="utf-8"))))
        ids.setdefault(row["id"].casefold(), set()).add(row["student"])
        for question, one in has[-1][1].items():
            if one["right"]:
                key = f"{question} {one['numbers']}"
                right.setdefault(key, set()).add(row["student"])
    for row, own in has:
        others = set(ids[row["id"].casefold()]) if row["id"] else set()
        for question, one in own.items():
            if not one["right"]:
                others |= right.get(f"{question} {one['numbers']}", set())
        said = ", ".join(sorted(others - {row["student"]}))[:200]
        if row["numbers_of"] != said:
            table.put(student=row["student"], numbers_of=said)


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("archive", type=Path, help="the autograder archive, hwN-autograder.zip")
    parser.add_argument("submissions", type=Path, help="a folder of notebooks, zips or folders")
    parser.add_argument("results", type=Path, help="where marks.csv and the details go")
    parser.add_argument("--jobs", type=int, default=2, help="submissions side by side (2)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=120,
        help="processor time of each (120); by the clock it has twice that",
    )
    parser.add_argument("--gigabytes", type=float, default=8, help="limit of memory (8)")
    parser.add_argument("--cell-seconds", type=float, default=20, help="time of one cell (20)")
    parser.add_argument("--again", nargs="*", metavar="STUDENT", help="grade anew: these, or all")
    parser.add_argument(
        "--without-sandbox", action="store_true", help="for submissions that you trust"
    )
    given = parser.parse_args(arguments)
    if not given.without_sandbox and (reason := why_no_sandbox()):
        parser.error(MISSING.format(reason=reason))
    if given.without_sandbox:
        print("WITHOUT A SANDBOX: submissions run as you, and can do what you can", file=sys.stderr)
    return given


def main(arguments: list[str] | None = None) -> None:
    """Grade what is new, and keep the table of marks."""
    given = parsed(arguments)
    everyone = submissions_in(given.submissions)
    if not everyone:
        sys.exit(f"{given.submissions} must hold notebooks, zip files or folders, and is empty")
    limits = {
        "seconds": given.seconds,
        "gigabytes": given.gigabytes,
        "cell_seconds": given.cell_seconds,
        "sandboxed": not given.without_sandbox,
    }
    tests, config = contents(given.archive)

    def is_new(handed: Handed) -> bool:
        row = table.get(handed.name)
        if row is None or given.again == [] or handed.name in (given.again or ()):
            return True
        try:
            return read(handed, config["assignment_name"])[1] != row["submission"]
        except ValueError:
            return row["submission"] != "none"

    with MarksTable(given.results / "marks.csv", list(tests)) as table:
        new = [handed for handed in everyone if is_new(handed)]
        print(f"{len(everyone)} submissions, {len(everyone) - len(new)} of them graded before")
        pool = ThreadPoolExecutor(given.jobs)
        try:
            waiting = [
                pool.submit(row_of, handed, tests, config, given.results, limits) for handed in new
            ]
            for done in as_completed(waiting):
                row = table.put(**done.result())
                line = f"{row['student']:24s} {row['total']:>6s} {float(row['seconds']):6.1f} s"
                print(line, row["stopped"], row["note"], flush=True)
        except KeyboardInterrupt:
            print("stopped; the same command goes on from here", file=sys.stderr, flush=True)
            # Sandboxes end with this process; what is graded is in the table.
            os._exit(130)
        compare(table, everyone, given.results)


if __name__ == "__main__":
    main()
