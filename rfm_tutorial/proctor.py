"""A plugin for otter-grader that keeps the tests out of reach while a submission runs.

otter-grader runs the tests of an assignment in the same process as the submission, and the files
with the tests lie beside it all the while. This plugin uses otter's hooks to

- take the tests away before the submission runs and bring them back for the last cell;
- stop a cell that takes too long, so that one endless loop costs one question and not all;
- import otter and this package anew before the tests run, so that redefined functions do not count;
- add a control, tests that must fail: if one passes, something that tests rely on was tampered
  with, and the submission gets 0.

It is no sandbox. Code that is out to cheat shares a process with the tests, and can.
"""

# otter's base class says of every hook that it only raises.
# pyright: reportIncompatibleMethodOverride=false

import json
from pathlib import Path

import nbformat
from otter.plugins import AbstractOtterPlugin
from otter.run import AutograderConfig
from otter.test_files import GradingResults

CONTROL_NAME = "zz_control"
"""The last name in the alphabet: a function that tampers when it is called has been called."""

CONTROL = f'''\
from otter.test_files import test_case

OK_FORMAT = False

name = "{CONTROL_NAME}"
points = 0

@test_case(points=0, hidden=True)
def test_what_is_false():
    assert False

@test_case(points=0, hidden=True)
def test_a_wrong_number():
    from rfm_tutorial.coursework import mark_value
    mark_value(1.0, 2.0, {{}}, "control")

@test_case(points=0, hidden=True)
def test_a_wrong_tensor():
    import torch
    from rfm_tutorial.coursework import mark_value
    mark_value(torch.zeros(3), torch.ones(3), {{}}, "control")
'''

FIRST_CELL = """\
from rfm_tutorial.coursework import limit_cells
limit_cells({seconds})
"""

LAST_CELL = """\
def bring_back_the_tests():
    import json, os, pathlib, shutil, signal, sys
    from IPython.core.getipython import get_ipython
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    for hooks in get_ipython().events.callbacks.values():
        hooks.clear()
    for name in list(sys.modules):
        if name.partition(".")[0] in ("otter", "rfm_tutorial"):
            del sys.modules[name]
    os.makedirs({folder!r}, exist_ok=True)
    os.chdir({folder!r})
    sys.path[:] = [path for path in sys.path if path not in ("", ".", {folder!r})]
    shutil.rmtree("tests", ignore_errors=True)
    pathlib.Path("tests").mkdir()
    for name, text in json.loads({tests!r}).items():
        pathlib.Path("tests", name).write_text(text, encoding="utf-8")
    from otter import Notebook
    Notebook.init_grading_mode("./tests")
bring_back_the_tests()
"""

TAMPERED = (
    "A control test passed that must fail: the submission changes functions that the tests rely "
    "on, for example by giving something new the name of a function of torch or Python. "
    "It was graded 0."
)


class Proctor(AbstractOtterPlugin):
    """See this module's first lines. Its one option is `seconds`, the limit of a cell."""

    def before_grading(self, config: AutograderConfig) -> None:
        """Put the control beside the other tests."""
        folder = Path(self.submission_path).parent
        (folder / "tests" / f"{CONTROL_NAME}.py").write_text(CONTROL, encoding="utf-8")

    def before_execution(self, submission: nbformat.NotebookNode) -> nbformat.NotebookNode:
        """Take the tests away; put one cell before and one after the submission's own."""
        folder = Path(self.submission_path).parent
        tests = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("tests/*.py")}
        for place in (folder, folder.parent / "source"):
            for path in place.glob("tests/*.py"):
                path.unlink()
        (folder / "tests").rmdir()
        first = FIRST_CELL.format(seconds=self.plugin_config.get("seconds", 30))
        last = LAST_CELL.format(folder=str(folder), tests=json.dumps(tests))
        submission.cells.insert(0, nbformat.v4.new_code_cell(first))
        submission.cells.append(nbformat.v4.new_code_cell(last))
        self.questions = {Path(name).stem for name in tests} - {CONTROL_NAME}
        return submission

    def after_grading(self, results: GradingResults) -> None:
        """Drop what is no question of this assignment, and look at the control."""
        if results.has_catastrophic_failure():
            return
        control = results.results.get(CONTROL_NAME)
        for name in set(results.test_files) - self.questions:
            del results.results[name]
        if control is None or any(case.passed for case in control.test_case_results):
            results.set_output(TAMPERED)
            for name in results.test_files:
                results.update_score(name, 0)
