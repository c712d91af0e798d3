"""Grades a submission with otter-grader's tests, in a process where no submission runs.

The submission is in a `sandbox.Submission`; what otter's tests get is not its functions but
`Answer`s, which call them over there, and plain values. So the tests' text, what would be right and
the marks are out of a submission's reach.

`grade` is how tools/grade_submissions.py does it. `Proctor` does the same where otter itself is run
(`otter run`, in its container, on Gradescope): it is a plugin that puts one cell, which fetches the
answers, in place of those that were handed in.
"""

# otter's base class says of every hook that it only raises.
# pyright: reportIncompatibleMethodOverride=false

import json
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from otter.plugins import AbstractOtterPlugin
from otter.run import AutograderConfig
from otter.test_files import GradingResults, TestFile
from otter.test_files.exception_test import ExceptionTestFile

from rfm_tutorial.sandbox import MISSING, StoppedError, Submission, why_no_sandbox

CODE = "notebook_cells"
"""An argument of this name gives a test the code of all cells, instead of an answer."""
SHOWN = 600
"""Characters of a message to a student."""
NOBODY = 65534
# otter quotes the line of the test that failed.
QUOTED = re.compile(r"Error at line \d+ in test [^\n]*:\n  [^\n]*\n")
CELL = """\
from rfm_tutorial import proctor
globals().update(proctor.answers_to({path!r}))
"""


def cells_of(notebook: Any) -> list[str]:
    """The code of a notebook that was handed in, cell by cell.

    Raises
    ------
    ValueError
        If it is no notebook.
    """
    try:
        version = notebook["nbformat"]
        sheets = notebook["worksheets"] if version < 4 else [notebook]
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        sources = [cell["source" if version >= 4 else "input"] for cell in code]
        return ["".join(source) for source in sources]
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"it has no cells as a notebook has them ({error})") from None


def wanted(tests: Iterable[TestFile]) -> set[str]:
    """The names that tests ask for."""
    cases = [case for test in tests for case in test.test_cases]
    return {name for case in cases for name in case.body._get_func_params()} - {CODE}


def told(test: TestFile) -> None:
    """Take out of a test's messages what shows the test, and what is long."""
    for result in test.test_case_results:
        text = QUOTED.sub("", result.message or "", count=1)
        text = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
        result.message = text if len(text) <= SHOWN else text[:SHOWN] + " …"


def grade(
    tests: dict[str, str], cells: list[str], **limits: Any
) -> tuple[GradingResults, Any, dict]:
    """otter's results for one submission, the submission itself, and the values it had.

    Parameters
    ----------
    tests : the text of otter's test files, by question
    cells : the code of the submission
    limits : for `sandbox.Submission`
    """
    files: list[TestFile] = [
        ExceptionTestFile.from_string(text) for _, text in sorted(tests.items())
    ]
    submission, values = Submission(cells, **limits), {}
    try:
        with submission:
            values = submission.values(wanted(files))
            for test in files:
                test.run({**values, CODE: cells})
                told(test)
    except StoppedError:
        # Before the tests began: nothing is known.
        for test in files:
            test.run({})
            told(test)
    return GradingResults(files), submission, values


def answers_to(path: str) -> dict[str, Any]:
    """What a test may ask of the submission that this file describes. For `Proctor`'s cell."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    submission = Submission(job["cells"], **job["limits"])
    try:
        # Until this process ends, and the submission's with it.
        submission.__enter__()
        return {**submission.values(job["names"]), CODE: job["cells"]}
    except StoppedError:
        return {}


class Proctor(AbstractOtterPlugin):
    """See this module's first lines. Its one option is `seconds`, the limit of a cell."""

    def before_grading(self, config: AutograderConfig) -> None:
        """Find out how the submission can be kept apart."""
        self.limits: dict[str, Any] = {"cell_seconds": self.plugin_config.get("seconds", 20)}
        reason = why_no_sandbox()
        if reason and config.otter_run and os.environ.get("RFM_WITHOUT_SANDBOX") != "1":
            raise RuntimeError(MISSING.format(reason=reason))
        if reason:
            self.limits["sandboxed"] = False
        if reason and not config.otter_run and os.geteuid() == 0:
            # A container of otter's, which is thrown away: the submission is another user there,
            # who can read Python, and not the tests.
            self.limits["user"] = NOBODY
            Path("/root").chmod(0o711)
            Path(self.submission_path).parents[1].chmod(0o700)

    def before_execution(self, submission: nbformat.NotebookNode) -> nbformat.NotebookNode:
        """Let otter execute one cell that asks the submission, which runs elsewhere."""
        folder = Path(self.submission_path).parent
        files = [ExceptionTestFile.from_file(str(path)) for path in folder.glob("tests/*.py")]
        job = {"cells": cells_of(submission), "names": sorted(wanted(files)), "limits": self.limits}
        handle, path = tempfile.mkstemp(suffix=".json")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(job, file)
        submission.cells = [nbformat.v4.new_code_cell(CELL.format(path=path))]
        return submission

    def after_grading(self, results: GradingResults) -> None:
        """Take the text of tests out of what is reported."""
        for test in results.results.values():
            told(test)
