"""What the tests of the graded assignments share: the built ones, and how to look into them."""

import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from wrong_answers import Wrong

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {path.stem: path for path in sorted(ROOT.glob("assignments/hw*/hw*.ipynb"))}
each_assignment = pytest.mark.parametrize("name", SOURCES)

SAMPLE_OR_WHOLE = ["sample", pytest.param("whole", marks=pytest.mark.nightly)]

STUDENTS = [f"student{number:03d}" for number in range(200)]
# An instructor's own id, which is in the solutions.
AUTHOR = "ada.lovelace"


def python(script: str, *arguments: object, **options: Any) -> str:
    """What a script of this project prints."""
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    env |= options.pop("env", {})
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=False, **options)
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


def built_assignments() -> Path:
    """All assignments, built where no address can be reached: once for the same sources."""
    sources = [
        ROOT / name for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE")
    ]
    sources += [ROOT / "tools" / "build_assignments.py", *SOURCES.values()]
    sources += [path for path in ROOT.glob("rfm_tutorial/**/*") if path.is_file()]
    sources = sorted(path for path in sources if "__pycache__" not in path.parts)
    contents = b"".join(str(path).encode() + path.read_bytes() for path in sources)
    versions = f"{sys.version} {version('otter-grader')}".encode()
    key = hashlib.sha256(versions + contents).hexdigest()[:16]
    folder = ROOT / "_build" / "tested-assignments"
    folder.mkdir(parents=True, exist_ok=True)
    # Tests of several files need them at the same time, in processes of their own.
    with FileLock(folder.with_suffix(".lock")):
        result = folder / key
        if not result.is_dir():
            for old in folder.iterdir():
                shutil.rmtree(old)
            nowhere = dict.fromkeys(
                ("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9"
            )
            python("tools/build_assignments.py", folder / "unfinished", env=nowhere)
            (folder / "unfinished").rename(result)
    return result


def archive_of(built: Path, name: str) -> Path:
    return built / SOURCES[name].parent.name / "autograder" / f"{name}-autograder.zip"


def solution_of(built: Path, name: str) -> dict:
    path = built / SOURCES[name].parent.name / "autograder" / f"{name}.ipynb"
    return json.loads(path.read_text(encoding="utf-8"))


def handed_out(built: Path, name: str) -> dict:
    path = built / SOURCES[name].parent.name / "student" / f"{name}.ipynb"
    return json.loads(path.read_text(encoding="utf-8"))


def files_with_tests(built: Path, name: str) -> dict[str, str]:
    with zipfile.ZipFile(archive_of(built, name)) as archive:
        names = [path for path in archive.namelist() if path.startswith("tests/")]
        return {Path(path).stem: archive.read(path).decode() for path in sorted(names)}


def packed(wrong: list[Wrong]) -> list[list[Wrong]]:
    """Groups of wrong answers that concern different questions."""
    groups: list[list[Wrong]] = []
    for one in wrong:
        for group in groups:
            if not any(set(one.lost) & set(other.lost) for other in group):
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def variant(notebook: dict, student: str, changes: list[tuple[str, str]]) -> dict:
    """A copy of a solution with another id and with some text changed."""
    result = copy.deepcopy(notebook)
    for cell in result["cells"]:
        source = "".join(cell["source"]).replace(f'"{AUTHOR}"', f'"{student}"')
        for old, new in changes:
            source = source.replace(old, new)
        cell["source"] = source
    return result
