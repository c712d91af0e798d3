"""Make the folder that students get, and nothing that they should not have.

    python tools/handout.py _build/assignments _build/handout

It holds the notebooks of the assignments as otter made them for students, this package as a wheel,
the exact versions of what it needs, and a page that says how to start.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START = """\
# Start here

You need Python 3.11 or newer. In this folder:

    python3 -m venv .venv
    .venv/bin/pip install -c constraints.txt './{wheel}[figures]' jupyterlab otter-grader
    .venv/bin/jupyter lab

On Windows, write `py` for `python3`, and `.venv\\Scripts\\` for `.venv/bin/`.

Open a notebook, and put the id under which you hand in into its first cell: always the same one.
Write your code where the dots are. The check below a question looks at an example, or at the kind
of a value; more is looked at after you hand in.

Before you hand in, choose *Restart Kernel and Run All Cells*. Hand in the notebook itself, or the
zip file that its last cell writes.
"""


def main(assignments: str, folder: str) -> None:
    """Write the folder anew."""
    result = Path(folder)
    shutil.rmtree(result, ignore_errors=True)
    result.mkdir(parents=True)
    notebooks = sorted(Path(assignments).glob("hw*/student/*.ipynb"))
    if not notebooks:
        sys.exit(f"{assignments} must hold built assignments, and holds none: make assignments")
    for notebook in notebooks:
        shutil.copy(notebook, result)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", result.resolve()]
    subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    shutil.copy(ROOT / "requirements.txt", result / "constraints.txt")
    (wheel,) = result.glob("*.whl")
    (result / "START.md").write_text(START.format(wheel=wheel.name), encoding="utf-8")
    print(*sorted(str(path) for path in result.iterdir()), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
