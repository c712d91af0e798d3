"""Notebooks are run once, and nbval notices when a run gives something else."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import execution
import freshness
import nbformat
import normalise_notebooks as tool
import pytest
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook, new_output
from test_notebooks import ROOT, as_jupyter_writes

PRELUDE = """\
import base64, sys
from IPython.display import display
PNG = base64.b64decode("iVBORw0KGgo=")
"""
FIGURE = 'display({"image/png": PNG, "text/plain": "The line ends at %s." % 2}, raw=True)'
TABLE = 'display({"text/html": "<b>1</b>", "text/plain": "1"}, raw=True)'


def stored(source: str, *, printed: str = "", shown: str = "") -> Any:
    """Return a code cell with the outputs that it is said to have given."""
    outputs = []
    if printed:
        outputs.append(new_output("stream", name="stdout", text=printed))
    if shown:
        outputs.append(new_output("display_data", {"text/plain": shown}))
    return new_code_cell(source, outputs=outputs)


@pytest.mark.slow
@pytest.mark.parametrize("executed", [False, True], ids=["by nbval", "for the website"])
def test_nbval_compares_text_and_nothing_else(tmp_path: Path, executed: bool) -> None:
    cells = {
        "prelude": (stored(PRELUDE), "PASSED"),
        "right number": (stored("print(f'{0.5:.2f}')", printed="0.50\n"), "PASSED"),
        "changed number": (stored("print(f'{0.5:.2f}')", printed="0.51\n"), "FAILED"),
        "text that is no longer printed": (stored("pass", printed="0.50\n"), "FAILED"),
        "text that was never stored": (stored("print(1)"), "FAILED"),
        "text in pieces": (stored("print(1, flush=True)\nprint(2)", printed="1\n2\n"), "PASSED"),
        "figure with its sentence": (stored(FIGURE, shown="The line ends at 2."), "PASSED"),
        "figure with another sentence": (stored(FIGURE, shown="The line ends at 3."), "FAILED"),
        "table without its html": (stored(TABLE, shown="1"), "PASSED"),
        "noise on stderr": (stored("print('careful', file=sys.stderr)"), "FAILED"),
    }
    notebook = tool.normalised(as_jupyter_writes([cell for cell, _ in cells.values()]))
    (tmp_path / "chapter.ipynb").write_text(tool.serialised(notebook), encoding="utf-8")
    shutil.copy(ROOT / "conftest.py", tmp_path)
    options = ["-v", "--nbval", "--nbval-current-env", "--rootdir", tmp_path]
    if executed:
        run_of = nbformat.read(tmp_path / "chapter.ipynb", as_version=4)
        took = execution.execute(tmp_path / "chapter.ipynb", run_of, timeout=60, threads=1)
        cache = get_cache(freshness.cache_of(tmp_path))
        cache.cache_notebook_bundle(CacheBundleIn(run_of, "chapter.ipynb", data=took))
        # The kernel is what must not be needed now.
        options += ["--nbval-executed", "--nbval-kernel-startup-timeout", "0"]

    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "."],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_ADDOPTS": "", "PYTHONPATH": str(ROOT / "book/_ext")},
        capture_output=True,
        text=True,
        check=False,
    )

    results = re.findall(r"^chapter\S+ipynb::Cell \d+ (\w+)", run.stdout, re.MULTILINE)
    expected = {name: result for name, (_, result) in cells.items()}
    assert dict(zip(cells, results, strict=True)) == expected, run.stdout


@pytest.mark.slow
def test_a_run_notes_time_and_memory_and_a_failed_one_is_no_run(tmp_path: Path) -> None:
    source = "import time\nheld = b'x' * 10**8\ntime.sleep(1)\nlen(held)"
    notebook = new_notebook(cells=[new_code_cell(source)])
    took = execution.execute(tmp_path / "page.ipynb", notebook, timeout=60, threads=1)
    assert took["execution_seconds"] > 1
    assert took["peak_bytes"] > 1e8
    assert notebook.cells[0].outputs[0].data["text/plain"] == "100000000"
    failing = new_notebook(cells=[new_code_cell("1 / 0")])
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        execution.execute(tmp_path / "page.ipynb", failing, timeout=60, threads=1)
