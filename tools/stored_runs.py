"""Make the stored runs of the book again: what takes too long for a page that runs in a minute.

    python tools/stored_runs.py [NAME ...]        all of them if none is named

`book/runs/NAME.toml` is the grid of a sweep. `book/runs/NAME.py` has CASES, a list of keyword
arguments, and `run(**case)`, which returns the records of a case: one row each, plain numbers, in
the order of time. Both are computed on all cores, one thread each, and end as
`book/runs/NAME.parquet`, the case's arguments first in each row. Until a name is whole, what is
finished lies in `_build/runs`, so that an interrupted call goes on. At the end stands how long each
name took, in seconds of this call.

SAMPLE is a case, perhaps cut short by further arguments, that a test runs again.
"""

import argparse
import hashlib
import json
import runpy
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import torch

from rfm_tutorial.store import VOLATILE_COLUMNS
from rfm_tutorial.sweep import Grid, run_sweep

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "book/runs"


def sources() -> dict[str, Path]:
    """What the stored runs are made from, by name."""
    found = sorted([*RUNS.glob("*.py"), *RUNS.glob("*.toml")])
    return {path.stem: path for path in found if path.name != "ruff.toml"}


def stored(name: str) -> pd.DataFrame:
    """A stored result."""
    return pd.read_parquet(RUNS / f"{name}.parquet")


def records(script: Path, case: dict[str, Any]) -> list[dict[str, Any]]:
    """Run one case, on one thread: so its numbers do not depend on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return runpy.run_path(str(script))["run"](**case)
    finally:
        torch.set_num_threads(before)


def _kept(script: Path, case: dict[str, Any]) -> list[dict[str, Any]]:
    """`records`, from the last call if that got so far with the same script."""
    text = json.dumps(case, sort_keys=True) + script.read_text("utf-8")
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = ROOT / "_build/runs" / script.stem / f"{key}.json"
    if not path.exists():
        found = json.dumps(records(script, case))
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part")
        temporary.write_text(found, "utf-8")
        temporary.replace(path)
    return json.loads(path.read_text("utf-8"))


def remake(path: Path) -> None:
    """Compute one of `sources` and store it."""
    unfinished = ROOT / "_build/runs" / path.stem
    if path.suffix == ".toml":
        table = run_sweep(Grid.from_toml(path), unfinished)
        frame = table.drop_columns(list(VOLATILE_COLUMNS)).to_pandas()
    else:
        cases = runpy.run_path(str(path))["CASES"]
        with joblib.parallel_config("loky", n_jobs=-1, inner_max_num_threads=1):
            jobs = (joblib.delayed(_kept)(path, case) for case in cases)
            parallel = joblib.Parallel(verbose=10, batch_size=1)  # pyright: ignore[reportArgumentType]
            found: list[Any] = list(parallel(jobs))
        pairs = zip(cases, found, strict=True)
        frame = pd.DataFrame([{**case, **row} for case, rows in pairs for row in rows])
    frame.to_parquet(path.with_suffix(".parquet"), index=False)
    shutil.rmtree(unfinished)  # so that the next call does not find what older code computed


def main(arguments: Sequence[str] | None = None) -> None:
    """Remake what is named."""
    parser = argparse.ArgumentParser(description="Make the stored runs of the book again.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="all if there is none")
    names = parser.parse_args(arguments).names
    known = sources()
    if unknown := sorted(set(names) - set(known)):
        sys.exit(f"no such runs: {', '.join(unknown)}; there are {', '.join(known)}")
    seconds = {}
    for name in names or known:
        began = time.perf_counter()
        remake(known[name])
        seconds[name] = time.perf_counter() - began
    for name, taken in seconds.items():
        print(f"{name:16s}{taken:7.0f} s")
    print(f"{'all of these':16s}{sum(seconds.values()):7.0f} s")


if __name__ == "__main__":
    main()
