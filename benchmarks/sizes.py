"""Time one step of both machines on the same splits, from small clocks to large ones.

    python benchmarks/sizes.py [--share 0.3] [--rounds 3] [--output book/seconds.json]

The page on scaling reads the result, which is that of one machine on one day: another one is faster
or slower, and the slopes are what to compare. Nothing else should run meanwhile. Seconds are the
least of some rounds, without test predictions; peak memory is that of a process of its own, less
what torch needs to be loaded.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from bench import peak_bytes

from rfm_tutorial import RFM, GaussianKernel, ModularTask, OrbitRFM

KERNEL = GaussianKernel(2.5)
ON_CELLS = (31, 43, 61, 97, 139, 199)
ON_ORBITS = (31, 43, 61, 97, 139, 199, 283, 397, 499, 709, 997)


def steps(machine: str, modulus: int, share: float, n_iterations: int) -> Iterator[object]:
    split = ModularTask("add", modulus).split_orbits(share, seed=1)
    if machine == "orbits":
        return OrbitRFM(KERNEL, n_iterations).iterate(split)
    return RFM(KERNEL, n_iterations).iterate(split.X_train, split.Y_train)


def seconds(machine: str, modulus: int, share: float, rounds: int) -> float:
    """Of one step, the first one left out: nothing is learned there yet, and buffers are new."""
    running, found = steps(machine, modulus, share, rounds), []
    next(running)
    for _ in range(rounds):
        start = time.perf_counter()
        next(running)
        found.append(time.perf_counter() - start)
    return min(found)


def gigabytes(machine: str, modulus: int, share: float) -> float:
    """What two steps add to a fresh process."""
    command = [sys.executable, __file__, "--peak", machine, str(modulus), str(share)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_peak(machine: str, modulus: int, share: float) -> None:
    """The child of `gigabytes`."""
    torch.linalg.eigh(torch.ones(8, 8))  # loads the linear algebra libraries
    before = peak_bytes()
    for _ in steps(machine, modulus, share, 1):
        pass
    print((peak_bytes() - before) / 1e9)


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description="Time one step of both machines.")
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("book/seconds.json"))
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        machine, modulus, share = options.peak
        print_peak(machine, int(modulus), float(share))
        return
    rows = []
    for machine, moduli in (("cells", ON_CELLS), ("orbits", ON_ORBITS)):
        for modulus in moduli:
            row = {
                "machine": machine,
                "modulus": modulus,
                "seconds": seconds(machine, modulus, options.share, options.rounds),
                "gigabytes": gigabytes(machine, modulus, options.share),
            }
            rows.append(row)
            print("{machine:6s} {modulus:4d} {seconds:9.4f} s {gigabytes:6.3f} GB".format(**row))
    about = {"share": options.share, "threads": torch.get_num_threads(), "rows": rows}
    options.output.write_text(json.dumps(about, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
