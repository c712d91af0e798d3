"""Every example runs as it stands, and prints what `examples/README.md` shows."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
README = (EXAMPLES / "README.md").read_text(encoding="utf-8")
SHOWN = dict(re.findall(r"^## (\w+)\.py\n.*?```text\n(.*?)```", README, re.DOTALL | re.MULTILINE))
PICTURES = {
    "importances": ["importances.png"],
    "digits": ["digits-diagonal.png", "digits-eigenvector.png"],
}


def assert_alike(printed: str, shown: str) -> None:
    """The same words and, to what another processor's rounding may change, the same numbers."""
    number = re.compile(r"\d+\.\d+|\b\d+(?= of)")
    assert number.sub("#", printed) == number.sub("#", shown)
    for found, kept in zip(number.findall(printed), number.findall(shown), strict=True):
        # A loss or a share; or a count of errors among 899.
        assert float(found) == pytest.approx(float(kept), abs=0.03 if "." in kept else 3)


def run(name: str, folder: Path) -> str:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_every_example_is_shown_and_nothing_else() -> None:
    assert sorted(SHOWN) == NAMES


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "any_learner",
        pytest.param("digits", marks=pytest.mark.nightly),
        pytest.param("importances", marks=pytest.mark.nightly),
        "own_group",
        "own_kernel",
    ],
)
def test_an_example_prints_what_is_shown(name: str, tmp_path: Path) -> None:
    assert_alike(run(name, tmp_path), SHOWN[name])
    assert sorted(path.name for path in tmp_path.iterdir()) == PICTURES.get(name, [])


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["tables", "xrfm_tables"])
def test_the_tables_are_what_is_shown(name: str, tmp_path: Path) -> None:
    if name == "xrfm_tables" and find_spec("xrfm") is None:
        pytest.skip("xrfm is not installed")
    assert_alike(run(name, tmp_path), SHOWN[name])


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_of_each_table_the_first_split_is_what_is_shown(monkeypatch, capsys) -> None:
    """A part of what the nightly test runs."""
    monkeypatch.syspath_prepend(EXAMPLES)
    import tables

    every = tables.losses
    monkeypatch.setattr(tables, "losses", lambda *given: every(*given[:-1], given[-1][:1]))
    tables.main()
    first = re.compile(r"^(  .{18}\d\.\d{3}).*$", re.MULTILINE)
    assert_alike(first.sub(r"\1", capsys.readouterr().out), first.sub(r"\1", SHOWN["tables"]))
