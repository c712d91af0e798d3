"""Grade a folder of submissions with otter run, where there is no Docker.

    python tools/grade_submissions.py hw1-autograder.zip submissions results

A submission is `<student's id>.ipynb`, or a zip file of that name with one notebook in it.
Each is run by otter in a folder of its own that is thrown away, in processes that are stopped after
a while, with limits on memory and on the size of files; whatever happens, the next one is graded.
What remains is `results/marks.csv` and, for each student, otter's `results.json` and a log.
The tests and the marks are otter's own.

This contains mistakes. It does not contain malice: the code runs as you and can do what you can.
"""

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import nbformat
import psutil

# Seconds of processor time, which a busy machine does not change; memory in KiB; the size of a file
# in blocks of 1024 bytes, 100 MB.
LIMITED = 'ulimit -t {seconds} -v {memory} -f 100000 -c 0; exec "$0" "$@"'


def notebook_of(submission: Path) -> nbformat.NotebookNode:
    """The one notebook that was handed in."""
    if submission.suffix == ".ipynb":
        return nbformat.read(submission, as_version=4)
    with zipfile.ZipFile(submission) as archive:
        names = [name for name in archive.namelist() if name.endswith(".ipynb")]
        if len(names) != 1:
            raise ValueError(f"{len(names)} notebooks in the zip file instead of 1")
        return nbformat.reads(archive.read(names[0]).decode("utf-8"), as_version=4)


def stated_id(notebook: nbformat.NotebookNode) -> str:
    """The id that the notebook states, in small letters; "" if there is none."""
    code = "\n".join(cell.source for cell in notebook.cells)
    stated = re.search(r"""^STUDENT *= *(["'])(.*?)\1""", code, re.MULTILINE)
    return stated.group(2).strip().lower() if stated else ""


def stop_all(mark: str) -> None:
    """Stop every process that was started with this mark in its environment."""
    # The kernel is in a session of its own, so that killing a group would miss it.
    for process in psutil.process_iter():
        try:
            if process.environ().get("RFM_SUBMISSION") == mark:
                process.kill()
        except psutil.Error:
            continue


def run_otter(
    archive: Path, notebook: nbformat.NotebookNode, log: Path, limits: argparse.Namespace
) -> tuple[dict, str]:
    """otter's results for one notebook, and what went wrong ("" if nothing did)."""
    # On the clock, for what sleeps; how long it takes to compute depends on what else runs.
    at_most = limits.patience * limits.seconds
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        scratch, mark = Path(folder), uuid4().hex
        # Copies: a submission that deletes what it finds deletes these.
        shutil.copy(archive, scratch / "autograder.zip")
        nbformat.write(notebook, scratch / "submission.ipynb")
        (scratch / "tmp").mkdir()
        limited = LIMITED.format(seconds=limits.seconds, memory=limits.gigabytes * 2**20)
        otter = [sys.executable, "-m", "otter", "run", "--no-logo", "submission.ipynb"]
        own = {"HOME": folder, "TMPDIR": f"{folder}/tmp", "RFM_SUBMISSION": mark}
        with log.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-c", limited, *otter],
                cwd=scratch,
                env={"OMP_NUM_THREADS": "1", **os.environ, **own},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                failed = process.wait(at_most) != 0
            except subprocess.TimeoutExpired:
                return {}, f"stopped after {at_most} seconds"
            finally:
                stop_all(mark)
                process.wait()
        if failed:
            printed = log.read_text(encoding="utf-8", errors="replace").strip()
            return {}, f"otter ended with: {printed.rpartition(chr(10))[2][:200]}"
        return json.loads((scratch / "results.json").read_text(encoding="utf-8")), ""


def grade(archive: Path, submission: Path, results: Path, limits: argparse.Namespace) -> dict:
    """One row of the table of marks; details go into a folder of the student's own."""
    started = time.monotonic()
    folder = results / submission.stem
    folder.mkdir(parents=True, exist_ok=True)
    found, note = {}, ""
    try:
        notebook = notebook_of(submission)
        found, note = run_otter(archive, notebook, folder / "log.txt", limits)
        if not note and stated_id(notebook) not in ("", submission.stem.lower()):
            note = f"the notebook says STUDENT = {stated_id(notebook)!r}"
    except Exception as error:
        # Whatever is wrong with this one, the others have to be graded.
        note = f"not a notebook that can be run: {str(error)[:100]}"
    (folder / "results.json").write_text(json.dumps(found, indent=2), encoding="utf-8")
    with zipfile.ZipFile(archive) as contents:
        names = [Path(name).stem for name in contents.namelist() if name.startswith("tests/")]
    given = {test["name"]: test["score"] for test in found.get("tests", []) if "score" in test}
    points = {name: given.get(name, 0) for name in sorted(names)}
    return {
        "student": submission.stem,
        **points,
        "total": sum(points.values()),
        "seconds": round(time.monotonic() - started, 1),
        "note": found.get("output") or note,
    }


def main(arguments: list[str] | None = None) -> None:
    """Grade all submissions and write the table of marks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("archive", type=Path, help="the autograder archive, hwN-autograder.zip")
    parser.add_argument("submissions", type=Path, help="a folder of notebooks or zip files")
    parser.add_argument("results", type=Path, help="where marks.csv and the details go")
    parser.add_argument("--jobs", type=int, default=2, help="submissions side by side (2)")
    parser.add_argument("--seconds", type=int, default=120, help="processor time of each (120)")
    parser.add_argument(
        "--patience", type=int, default=5, help="so many times as long on the clock (5)"
    )
    parser.add_argument("--gigabytes", type=int, default=8, help="limit of memory (8)")
    given = parser.parse_args(arguments)
    files = [p for p in sorted(given.submissions.iterdir()) if p.suffix in (".ipynb", ".zip")]
    if not files:
        parser.error(f"{given.submissions} must hold notebooks or zip files, and holds none")

    def one(submission: Path) -> dict:
        row = grade(given.archive, submission, given.results, given)
        print(f"{row['student']:24s} {row['total']:6g} {row['seconds']:6.1f} s  {row['note']}")
        return row

    with ThreadPoolExecutor(given.jobs) as pool:
        rows = list(pool.map(one, files))
    with (given.results / "marks.csv").open("w", encoding="utf-8", newline="") as table:
        writer = csv.DictWriter(table, fieldnames=rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
