"""How long one RFM iteration takes, next to one Cholesky solve of the same matrix.

    python benchmarks/bench.py [--moduli 31 61 97] [--orbits 61 97 199 499] [--rounds 7]
                               [--output _build/bench]

Machines differ and are busy with other things; ratios inside one process say more than seconds.
Each round times the yardstick, the iteration and its parts one after the other, and the ratio is
taken round by round; medians are printed. The reference is the AGOP as one would write it first,
with the whole (n, c, d) array of gradients. Peak memory is that of a process of its own which does
nothing but three iterations, less what torch needs to be loaded.

For whole diagonals the yardstick is one matrix product: how near `OrbitRFM` comes to its speed,
with multiplications counted as in `rfm_tutorial.orbit_rfm`. Where the dense machine fits, it runs
on the same split.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from rfm_tutorial import RFM, GaussianKernel, ModularTask, OrbitRFM, OrbitSplit, plots, psd_power
from rfm_tutorial.gradient_sums import kernel_agop
from rfm_tutorial.linalg import Workspace, solve_positive_definite
from rfm_tutorial.shared_ones import find_groups

KERNEL = GaussianKernel(2.5)
SHARES = {61: 0.5, 97: 0.5, 199: 0.4, 499: 0.3, 997: 0.25}
"""Of the diagonals: what these moduli need to grok within some ten steps."""
DENSE_UP_TO = 97
PARTS = ("kernel", "solve", "agop", "root")


def cholesky_solve(K: Tensor, Y: Tensor) -> Tensor:
    """The yardstick: one factorisation and one solve, and nothing else."""
    return torch.cholesky_solve(Y, torch.linalg.cholesky(K))


def plain_iteration(X: Tensor, Y: Tensor, M: Tensor) -> Tensor:
    """One iteration straight from the formulas, holding all gradients at once."""
    K = KERNEL(X, X, M)
    alpha = torch.linalg.solve(K, Y)
    gradients = X.new_empty(len(X), Y.shape[1], X.shape[1])
    for output in range(Y.shape[1]):
        weights = K * alpha[:, output]
        gradients[:, output] = (weights @ X - weights.sum(1, keepdim=True) * X) @ M
    gradients /= KERNEL.bandwidth**2
    gradients -= gradients.mean(0)
    flat = gradients.view(-1, X.shape[1])
    return psd_power(flat.T @ flat / len(X), 0.5)


def data(modulus: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    split = ModularTask("add", modulus).split(0.5, seed=0, dtype=dtype)
    return split.X_train, split.Y_train


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure(modulus: int, dtype: torch.dtype, rounds: int) -> dict:
    """Seconds and ratios for one modulus and type, at a feature matrix from within a run."""
    X, Y = data(modulus, dtype)
    *_, step = RFM(KERNEL, n_iterations=3).iterate(X, Y)
    M, alpha = step.feature_matrix, step.predictor.dual_coef_
    n, work, groups = len(X), Workspace(), find_groups(X)
    K = KERNEL.values(X, X, M, out=work.empty("kernel", n, n, like=X))

    def agop() -> Tensor:
        return kernel_agop(
            KERNEL, X, alpha, M, X, center=True, groups=groups, values=K, workspace=work
        )

    G = agop()
    parts = {
        "kernel": lambda: KERNEL.values(X, X, M, out=K),
        "solve": lambda: solve_positive_definite(K, Y, 0.0, work),
        "agop": agop,
        "root": lambda: psd_power(G, 0.5),
    }
    yardstick = lambda: cholesky_solve(K, Y)  # noqa: E731
    for function in (yardstick, *parts.values()):
        function()
    times: dict[str, list[float]] = {name: [] for name in ("cholesky", *PARTS, "iteration")}
    # The steps of one long run: what a user waits for between one step and the next.
    steps = RFM(KERNEL, n_iterations=rounds + 1).iterate(X, Y)
    next(steps), next(steps)
    for _ in range(rounds):
        times["cholesky"].append(seconds(yardstick))
        times["iteration"].append(seconds(lambda: next(steps)))
        for name, function in parts.items():
            times[name].append(seconds(function))
    result: dict = {"modulus": modulus, "dtype": str(dtype).removeprefix("torch."), "rows": n}
    result["seconds"] = {name: median(values) for name, values in times.items()}
    result["ratios"] = {
        name: median(a / b for a, b in zip(values, times["cholesky"], strict=True))
        for name, values in times.items()
    }
    plain = [seconds(lambda: plain_iteration(X, Y, M)) for _ in range(3 if modulus < 90 else 1)]
    result["seconds"]["plain"] = median(plain)
    result["ratios"]["plain"] = median(plain) / result["seconds"]["cholesky"]
    return result


def diagonals(modulus: int) -> OrbitSplit:
    return ModularTask("add", modulus).split_orbits(SHARES[modulus], seed=1)


def multiplications(split: OrbitSplit) -> float:
    """Of a step with a Gaussian kernel."""
    N, m = split.clock.n_hours, len(split.differences)
    return N**2 * m**2 / 8 + N * m**3 / 12 + N**2 * m**2


def measure_orbits(modulus: int, rounds: int) -> dict:
    """Seconds of a step, of its test predictions, and of the dense machine on the same split."""
    split = diagonals(modulus)
    rounds = rounds if modulus < 500 else 2
    square = torch.randn(1500, 1500, dtype=torch.float64)
    dense = None
    if modulus <= DENSE_UP_TO:
        dense = RFM(KERNEL, n_iterations=rounds + 1).iterate(split.X_train, split.Y_train)
        next(dense), next(dense)
    steps = OrbitRFM(KERNEL, n_iterations=rounds + 1).iterate(split)
    next(steps), next(steps), square @ square
    times: dict[str, list[float]] = {"product": [], "step": [], "tests": [], "dense": []}
    for _ in range(rounds):
        times["product"].append(seconds(lambda: square @ square))
        start = time.perf_counter()
        step = next(steps)
        times["step"].append(time.perf_counter() - start)
        times["tests"].append(seconds(lambda: step.test_loss))  # noqa: B023
        if dense is not None:
            times["dense"].append(seconds(lambda: next(dense)))
    result = {"modulus": modulus, "diagonals": len(split.differences)}
    result["rows"] = len(split.differences) * split.clock.n_hours
    result["seconds"] = {name: median(values) for name, values in times.items() if values}
    rates = [
        multiplications(split) / a / (1500**3 / b)
        for a, b in zip(times["step"], times["product"], strict=True)
    ]
    result["of_product_speed"] = median(rates)
    if dense is not None:
        ratios = [a / b for a, b in zip(times["dense"], times["step"], strict=True)]
        result["dense_ratio"] = median(ratios)
    return result


def print_orbits(moduli: list[int], rounds: int) -> list[dict]:
    print("\nwhole diagonals, + in float64; a step without its test predictions")
    print(
        "        p  diagonals   rows       step      tests | "
        "speed of products |  dense | peak memory"
    )
    results = []
    for modulus in moduli:
        r = measure_orbits(modulus, rounds)
        r["peak_gigabytes"] = peak_memory(modulus, "diagonals")
        results.append(r)
        s = r["seconds"]
        ratio = f"{r['dense_ratio']:4.0f} ×" if "dense_ratio" in r else "     –"
        print(
            f"{modulus:9d} {r['diagonals']:10d} {r['rows']:6d} {s['step']:8.3f} s "
            f"{s['tests']:8.3f} s | {100 * r['of_product_speed']:14.0f} % | {ratio} "
            f"| {r['peak_gigabytes']:.2f} GB",
            flush=True,
        )
    return results


def peak_memory(modulus: int, dtype: str) -> float:
    """Gigabytes that three iterations add to a fresh process; "diagonals" is for `OrbitRFM`."""
    run = subprocess.run(
        [sys.executable, __file__, "--peak", str(modulus), dtype],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout)


def print_peak(modulus: int, dtype: str) -> None:
    """The child of `peak_memory`: run, then print by how much its peak has grown."""
    warm = torch.ones(8, 8)
    torch.linalg.eigh(warm @ warm)  # loads the linear algebra libraries
    before = peak_bytes()
    if dtype == "diagonals":
        steps = OrbitRFM(KERNEL, n_iterations=1).iterate(diagonals(modulus))
    else:
        steps = RFM(KERNEL, n_iterations=3).iterate(*data(modulus, getattr(torch, dtype)))
    for _ in steps:
        pass
    print((peak_bytes() - before) / 1e9)


def peak_bytes() -> int:
    """Largest resident set of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux, getrusage would start from the peak of the process that started this one.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def draw(results: list[dict], path: Path) -> None:
    """Each part of an iteration as a multiple of the yardstick, as stacked bars."""
    (ax,) = plots.panels(1, width=6.0, height=3.4)
    names = [f"p = {r['modulus']}\n{r['dtype']}" for r in results]
    bottom = [0.0] * len(results)
    colours = ("#0072B2", "#999999", "#D55E00", "#009E73")
    for part, colour in zip(PARTS, colours, strict=True):
        heights = [r["ratios"][part] for r in results]
        ax.bar(names, heights, bottom=bottom, color=colour, label=part)
        bottom = [b + h for b, h in zip(bottom, heights, strict=True)]
    ax.axhline(1, color="#222222", linestyle=":", linewidth=1)
    ax.set_ylabel("multiples of one Cholesky solve")
    ax.legend(loc="upper right", ncols=2)
    ax.get_figure().savefig(path, dpi=200)


def main() -> None:
    """Measure, print a table, write JSON and a figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moduli", type=int, nargs="*", default=[31, 61, 97])
    parser.add_argument("--orbits", type=int, nargs="*", choices=SHARES, default=[61, 97, 199, 499])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path("_build/bench"))
    parser.add_argument("--peak", nargs=2, metavar=("MODULUS", "DTYPE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print_peak(int(options.peak[0]), options.peak[1])
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, + at half of the table")
    print(
        "        p  type     rows   cholesky  iteration   ratio | kernel solve  agop  root", end=""
    )
    print(" |  plain reference | peak memory")
    results = []
    for modulus in options.moduli:
        for dtype in (torch.float64, torch.float32):
            r = measure(modulus, dtype, options.rounds)
            r["peak_gigabytes"] = peak_memory(modulus, r["dtype"])
            results.append(r)
            s, q = r["seconds"], r["ratios"]
            print(
                f"{modulus:9d}  {r['dtype']} {r['rows']:5d} {1e3 * s['cholesky']:7.1f} ms "
                f"{1e3 * s['iteration']:7.1f} ms {q['iteration']:7.2f} | "
                + " ".join(f"{q[part]:5.2f}" for part in PARTS)
                + f" | {s['plain']:7.2f} s {s['plain'] / s['iteration']:4.0f} × "
                f"| {r['peak_gigabytes']:.2f} GB",
                flush=True,
            )
    orbits = print_orbits(options.orbits, options.rounds) if options.orbits else []
    options.output.mkdir(parents=True, exist_ok=True)
    machine = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processor": platform.processor() or platform.machine(),
    }
    report = {"machine": machine, "kernel": repr(KERNEL), "results": results, "orbits": orbits}
    (options.output / "bench.json").write_text(json.dumps(report, indent=2) + "\n")
    if results:
        draw(results, options.output / "bench.png")
    print(f"written to {options.output}/bench.json and bench.png")


if __name__ == "__main__":
    main()
