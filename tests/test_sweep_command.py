"""The command line of sweeps in this process, and what a terminal shows."""

import io
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from sweeps import GRID, GRID_FILE

from rfm_tutorial.costs import estimate_cost
from rfm_tutorial.grids import Grid
from rfm_tutorial.runs import run_cell
from rfm_tutorial.sweep import main, run_sweep


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_says_the_cost_and_the_time_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    grid = Grid(["add"], [5], seeds=[0, 1], n_iterations=[1])
    run_sweep(grid, tmp_path / "a", workers=1)
    shown = sys.stderr.getvalue()
    assert "2 cells to compute, 1 at a time" in shown
    assert "00:00 left, 2 of 2 cells" in shown
    monkeypatch.setattr(sys, "stderr", Terminal())
    run_sweep(grid, tmp_path / "b", workers=1, progress=False)
    assert sys.stderr.getvalue() == ""


def test_the_command_line_says_what_it_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    path, store = tmp_path / "grid.toml", tmp_path / "store"
    path.write_text(
        'operations = ["add"]\nmoduli = [5]\nbandwidths = [1e9, 2.5]\nn_iterations = [1]\n'
    )
    arguments = [str(path), "--store", str(store), "--workers", "1"]
    assert main([*arguments, "--dry-run"]) == 0
    assert "2 cells to compute, 1 at a time; estimated time" in capsys.readouterr().out
    assert not store.exists()
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "2 cells to compute" in out
    assert f"2 cells are finished in {store}; 1 of them failed, see the column error" in out
    assert err == ""
    assert main([*arguments, "--dry-run"]) == 0
    assert capsys.readouterr().out == "nothing to compute\n"
    path.write_text('operations = ["add"]\nmoduli = [7]\n')
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith("error: grid contradicts the manifest of ")
    assert main([str(tmp_path / "none.toml"), "--store", str(store)]) == 1
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("contents", "arguments", "message"),
    [
        (None, [], "must be a TOML file, got a folder"),
        (b"", [], "operations must be given, got no field at all"),
        (GRID_FILE.encode("utf-16"), [], "must be encoded as UTF-8"),
        (GRID_FILE.encode(), ["--workers", "0"], "workers must be an integer ≥ 1, got 0"),
        (GRID_FILE.encode(), ["--workers", "2", "--scheduler", "tcp://127.0.0.1:9"], "workers are"),
        (GRID_FILE.encode(), ["--store", ""], "store must be the path of a folder, got ''"),
        (GRID_FILE.encode(), ["--store", __file__], "store must be the path of a folder, got the"),
    ],
)
def test_the_command_line_says_what_is_wrong_in_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    contents: bytes | None,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    path = tmp_path / "grid.toml"
    path.mkdir() if contents is None else path.write_bytes(contents)
    assert main([str(path), "--store", str(tmp_path / "store"), *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_a_dry_run_says_what_the_run_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    run_sweep(Grid(["add"], [7], n_iterations=[1]), tmp_path / "store", workers=1)
    path = tmp_path / "grid.toml"
    path.write_text(GRID_FILE)
    assert main([str(path), "--store", str(tmp_path / "store"), "--dry-run"]) == 1
    assert "error: grid contradicts the manifest of " in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["grid.toml"], ["grid.toml", "--workers", "two"]])
def test_a_wrong_command_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: python -m rfm_tutorial.sweep")


def test_the_command_is_named_as_it_was_called(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/rfm-sweep"])
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: rfm-sweep [-h] --store STORE")


WITHOUT_THE_EXTRA = """
import runpy, sys

sys.modules["pyarrow"] = None  # as if it were not installed
for arguments in (["--help"], sys.argv[1:]):
    sys.argv = ["sweep.py", *arguments]
    try:
        runpy.run_module("rfm_tutorial.sweep", run_name="__main__")
    except SystemExit as end:
        print("code", end.code)
"""


@pytest.mark.slow
def test_without_the_extra_the_help_is_shown_and_a_run_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(GRID_FILE)
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_THE_EXTRA]
    arguments = [tmp_path / "grid.toml", "--store", tmp_path / "store"]
    run = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    needed = "sweeps need pyarrow; pip install 'rfm-tutorial[sweep]' brings all that they need"
    assert run.stderr == f"error: {needed}\n"
    assert run.stdout.startswith("usage: python -m rfm_tutorial.sweep [-h] --store STORE")
    assert re.findall("^code (.*)", run.stdout, re.MULTILINE) == ["0", "1"]
    assert not (tmp_path / "store").exists()


def test_without_the_extra_every_function_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "joblib", None)  # as if it were not installed
    for use in (
        lambda: run_cell(GRID.cells()[0]),
        lambda: estimate_cost(GRID.cells()),
        lambda: run_sweep(GRID, tmp_path / "store"),
    ):
        with pytest.raises(ModuleNotFoundError, match="sweeps need joblib; pip install"):
            use()
