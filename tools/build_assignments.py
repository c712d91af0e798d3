"""Build the assignments: for each a student notebook, its solutions and an autograder archive.

    python tools/build_assignments.py _build/assignments            all of them
    python tools/build_assignments.py _build/assignments hw1 hw3    some

otter assign does the work. This only lays out what it needs: the archive carries this package and
the exact versions of what it imports, so that a grading image installs the same as everyone has.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Where otter unpacks the files of an archive in a grading image.
PACKAGE_IN_IMAGE = "/autograder/source/files/rfm-tutorial"
# Beside the package's dependencies: no assignment asks for a figure, but a submission may have one.
EXTRA_IN_IMAGE = "figures"


def requirements() -> str:
    """What a grading image installs: pinned dependencies, then this package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ranges = [*project["dependencies"], *project["optional-dependencies"][EXTRA_IN_IMAGE]]
    names = {re.split(r"[^\w-]", line)[0] for line in ranges}
    locked = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in locked if line.partition("==")[0] in names]
    return "\n".join([*pins, f"{PACKAGE_IN_IMAGE}[{EXTRA_IN_IMAGE}]", ""])


def build(source: Path, result: Path) -> Path:
    """Build one assignment into `result` and return the path of its autograder archive."""
    shutil.rmtree(result, ignore_errors=True)
    # otter wants all files of an archive below the notebook.
    staging = result / "staging"
    package = staging / "rfm-tutorial"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "rfm_tutorial", package / "rfm_tutorial", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, package)
    shutil.copy(source, staging)
    (staging / "requirements.txt").write_text(requirements(), encoding="utf-8")
    command = [sys.executable, "-m", "otter", "assign", staging / source.name, result]
    # otter tries the tests on the solution, which is ours and needs no sandbox.
    subprocess.run(command, check=True, env={**os.environ, "RFM_WITHOUT_SANDBOX": "1"})
    shutil.rmtree(staging)
    shutil.rmtree(result / "autograder" / "rfm-tutorial")
    let_checks_speak(result / "student" / source.name)
    # otter puts the time of the build into the name; commands are easier to give without it.
    (archive,) = (result / "autograder").glob("*.zip")
    return archive.rename(archive.with_name(f"{source.stem}-autograder.zip"))


def let_checks_speak(path: Path) -> None:
    """In a student's notebook, print what a check has looked at, not otter's "passed"."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if source.startswith("# Initialize Otter\n"):
            cell["source"] = f"{source}\nfrom rfm_tutorial.coursework import said"
        elif check := re.fullmatch(r'(grader\.check\("\w+"\))\s*', source):
            cell["source"] = f"print(said({check[1]}))"
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(folder: str, *names: str) -> None:
    """Build the assignments of these names, or all, two at a time."""
    sources = sorted(ROOT.glob("assignments/hw*/hw*.ipynb"))
    chosen = [path for path in sources if not names or path.stem in names]
    results = [Path(folder) / path.parent.name for path in chosen]
    with ThreadPoolExecutor(2) as pool:
        for archive in pool.map(build, chosen, results):
            print(archive)


if __name__ == "__main__":
    main(*sys.argv[1:])
