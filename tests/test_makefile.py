"""The commands of the Makefile explain themselves, and what is missing is said in one sentence."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").touch()
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Not as a child of the make that may be running these tests.
    env = {
        key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))
    }
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def test_help_lists_every_command_and_is_what_bare_make_shows(project: Path) -> None:
    shown = make(project, "help").stdout
    phony = re.findall(r"^\.PHONY: ([\w-]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert re.findall(r"^make ([\w-]+) +\S", shown, re.MULTILINE) == phony
    assert make(project).stdout == shown


OLD = """\
case $1 in
  --version) echo Python 3.9.18 ;;
  *) exit 1 ;;
esac
"""
WITHOUT_VENV = f"""\
case "$*" in
  *ensurepip*) exit 1 ;;
  *) exec {sys.executable} "$@" ;;
esac
"""


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        (None, r"Python 3\.11 or newer is needed, but there is no '.*python': install it, .*"),
        (OLD, r"Python 3\.11 or newer is needed, but '.*python' is Python 3\.9\.18: .*"),
        (WITHOUT_VENV, r"'.*python' cannot make a virtual environment: .* python3-venv'\."),
    ],
    ids=["no python", "old python", "no venv"],
)
def test_what_is_missing_is_said_in_one_sentence(
    project: Path, python: str | None, sentence: str
) -> None:
    path = project / "python"
    if python is not None:
        path.write_text(f"#!/bin/sh\n{python}")
        path.chmod(0o755)
    run = make(project, "book", f"PYTHON={path}")
    assert run.returncode != 0
    message, end = run.stderr.splitlines()
    assert re.fullmatch(sentence, message)
    assert end.startswith("make: *** ")
    assert run.stdout == ""
    assert not (project / ".venv").exists()
