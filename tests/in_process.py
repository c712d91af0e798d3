"""Grade many variants of a solution in one process, with otter's own tests and no kernel.

    python tests/in_process.py < jobs.json > results.json

An otter run takes eight seconds, most of it to start. What is tried by the hundred goes this way:
the cells are executed here, then the test files of the archive, and otter adds up the points.
A job has a notebook, tests, and variants: a student's id and changes each. Jobs have names, and so
do the lists of their results.
"""

import ast
import json
import re
import sys
import time

import torch
from otter.test_files.exception_test import ExceptionTestFile

from rfm_tutorial.proctor import CODE


def cells(notebook: dict, student: str, changes: list[list[str]]) -> list[str]:
    """The code of a notebook with another student's id and with some text changed."""
    codes = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    codes = [code for code in codes if "grader" not in code]
    for old, new in changes:
        assert sum(code.count(old) for code in codes) == 1, f"not there exactly once: {old}"
        codes = [code.replace(old, new) for code in codes]
    return [re.sub(r'^STUDENT = ".*?"', f"STUDENT = {student!r}", c, flags=re.M) for c in codes]


def run(codes: list[str]) -> dict:
    """The names that are defined after all cells; a cell with an error ends there."""
    names: dict = {"__name__": "__main__"}
    # Dataclasses look up the module that they are defined in.
    sys.modules["__main__"].__dict__.update(names)
    for code in codes:
        try:
            exec(compile(ast.parse(code), "<cell>", "exec"), names)
        except Exception as error:
            names.setdefault("errors", []).append(f"{type(error).__name__}: {error}")
    return names


def grade(notebook: dict, tests: dict[str, str], student: str, changes: list[list[str]]) -> dict:
    """Points and messages by question, and the processor time of the cells."""
    started = time.process_time()
    codes = cells(notebook, student, changes)
    names = run(codes)
    seconds = time.process_time() - started
    points, messages = {}, {}
    for question, source in tests.items():
        test = ExceptionTestFile.from_string(source)
        test.run({**names, CODE: codes})
        points[question] = [test.score, test.possible]
        messages[question] = [case.message for case in test.test_case_results if not case.passed]
    return {
        "student": student,
        "changes": changes,
        "points": points,
        "messages": messages,
        "seconds": seconds,
        "numbers": {name: one for name, one in names.items() if isinstance(one, float)},
    }


def main() -> None:
    """Read jobs, write a list of results for each, one per variant."""
    torch.set_num_threads(1)
    jobs = json.load(sys.stdin)
    printed, sys.stdout = sys.stdout, sys.stderr
    results = {
        name: [grade(job["notebook"], job["tests"], *variant) for variant in job["variants"]]
        for name, job in jobs.items()
    }
    json.dump(results, printed)


if __name__ == "__main__":
    main()
