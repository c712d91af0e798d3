"""The replication rule: a result counts if it holds on seeds that somebody else draws.

`python -m rfm_tutorial.replicate FOLDER` runs a finding again, on some of its own seeds and on new
ones. Each run is a process of its own, so that its numbers depend on the seed and on nothing that
ran before. Nothing is believed of that process but the numbers it gives back, and it ends when its
time is up. It is *not* locked in: run other people's programs where they can do no harm.
"""

import argparse
import json
import math
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from rfm_tutorial.checks import check_integer, check_real
from rfm_tutorial.findings import Finding, Numbers, as_numbers, printable, read_finding

VERDICTS = ("sound", "unsound", "not reproduced", "does not run", "cannot tell")
ERROR = 0.05
"""How often chance may pass a claim that is false, and how often refuse one that is true."""

RUNNER = """
import json, os, sys
folder, name, seed = sys.argv[1:]
answer = os.dup(1)
os.dup2(2, 1)  # what the experiment prints goes where nobody reads it
sys.path.insert(0, folder)
try:
    import experiment
    function = getattr(experiment, name, None)
    found = {"returned": function(int(seed))} if callable(function) else {}
    text = json.dumps(found, default=lambda odd: "a " + type(odd).__name__)
except BaseException as error:
    text = json.dumps({"error": f"{type(error).__name__}: {error}"})
with open(answer, "w") as stream:
    stream.write(text)
"""

Runs = dict[str, list[Numbers | str]]


@dataclass(frozen=True)
class Replication:
    """One of `VERDICTS`, why, and the table from which it follows."""

    verdict: str
    why: str
    table: str

    def __str__(self) -> str:
        return f"{self.table}\n\n{self.verdict}: {self.why}"


def least_share(right: int, n: int) -> float:
    """The smallest share of all seeds with which `right` of `n` is no rarer than `ERROR`.

    The lower end of the exact one-sided interval of Clopper and Pearson (1934).

    Examples
    --------
    >>> [round(least_share(n, n), 2) for n in (5, 9, 14)]
    [0.55, 0.72, 0.81]
    """
    low, high = 0.0, 1.0
    for _ in range(50):
        share = (low + high) / 2
        terms = (math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(right, n + 1))
        low, high = (share, high) if sum(terms) < ERROR else (low, share)
    return low


def judged(right: int, n: int, share: float) -> str:
    """Whether a claim about a share of all seeds "holds", "does not hold", or "cannot tell".

    Examples
    --------
    >>> judged(9, 9, 0.7), judged(8, 9, 0.7), judged(3, 9, 0.7)
    ('holds', 'cannot tell', 'does not hold')
    """
    if least_share(right, n) >= share:
        return "holds"
    return "does not hold" if 1 - least_share(n - right, n) < share else "cannot tell"


def fewest_seeds(share: float) -> int:
    """How many seeds can show a claim, if it holds on each of them.

    Examples
    --------
    >>> [fewest_seeds(share) for share in (0.5, 0.7, 0.8, 0.95)]
    [5, 9, 14, 59]
    """
    return math.ceil(math.log(ERROR) / math.log(share))


def run_once(folder: Path, name: str, seed: int, limit: float) -> Numbers | str:
    """What `run` or `control` of a folder gives back for a seed, or in words why it does not."""
    with subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(folder), name, str(seed)],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            text, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return f"it was stopped after {limit:g} seconds"
        finally:  # and what it has left behind
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return f"its process ended without an answer, with status {process.returncode}"
    if "error" in found:
        return printable(str(found["error"]))
    return as_numbers(found["returned"]) if found else f"experiment.py has no function {name}(seed)"


def replicate(
    folder: str | Path,
    n_seeds: int | None = None,
    draw: int | None = None,
    again: int = 2,
    limit: float = 60,
    tolerance: float = 0.02,
    jobs: int = 2,
) -> Replication:
    """Run a finding again, on some of its own seeds and on new ones.

    Parameters
    ----------
    folder : with the two files that `rfm_tutorial.findings` describes
    n_seeds : how many new seeds; as few as can show the claim, if left out
    draw : the seed of the seeds, chosen after the finding is handed in; random if left out
    again : how many of the reported seeds are run again, before any new one
    limit : seconds for one run
    tolerance : what counts as the same number, absolute or as a part of it
    jobs : how many runs side by side

    Raises
    ------
    ValueError, OSError
        As `read_finding`, and for an argument that makes no sense. Whatever goes wrong in a run
        is a part of the result.
    """
    finding, folder = read_finding(folder), Path(folder).resolve()
    shares = finding.claim.share_of_seeds, finding.control.share_of_seeds
    n_seeds = max(map(fewest_seeds, shares)) if n_seeds is None else n_seeds
    check_integer("n_seeds", n_seeds, at_least=1, at_most=1000)
    draw = secrets.randbelow(10**6) if draw is None else check_integer("draw", draw, at_least=0)
    check_integer("again", again, at_least=1)
    check_integer("jobs", jobs, at_least=1)
    check_real("limit", limit, positive=True)
    check_real("tolerance", tolerance)

    def runs_of(seeds: list[int]) -> Runs:
        calls = [(name, seed) for name in ("run", "control") for seed in seeds]
        with ThreadPoolExecutor(jobs) as pool:
            found = [*pool.map(lambda call: run_once(folder, call[0], call[1], limit), calls)]
        return {"run": found[: len(seeds)], "control": found[len(seeds) :]}

    dice, own = Random(draw), finding.reported
    old = sorted(dice.sample(sorted(own), min(again, len(own))))
    drawn = dice.sample(range(10**6), n_seeds + len(own))
    new = [seed for seed in drawn if seed not in own][:n_seeds]
    head = f"{finding.title}\ndrawn with {draw}: {old} of the reported seeds, new {new}\n"
    lines, ending = _compared(finding, old, runs_of(old), tolerance)
    if ending is None:
        rows, ending = _judged(finding, runs_of(new))
        lines += ["", *rows]
    verdict, why = ending
    return Replication(verdict, why, "\n".join([head, *lines]))


def _compared(
    finding: Finding, seeds: list[int], runs: Runs, tolerance: float
) -> tuple[list[str], tuple[str, str] | None]:
    """A line for each number of the repeated runs, and the verdict if they end the matter."""
    lines, failed, other = [], False, False
    for name, results in runs.items():
        for seed, found in zip(seeds, results, strict=True):
            said = finding.reported[seed][name]
            if isinstance(found, str):
                failed = True
                lines.append(f"{name}({seed}): {found}")
                continue
            for key in sorted({*said, *found}):
                left, right = said.get(key, math.nan), found.get(key, math.nan)
                same = math.isclose(left, right, rel_tol=tolerance, abs_tol=tolerance)
                other = other or not same
                words = "" if same else ": NOT the same"
                lines.append(f"{name}({seed}): {key} {left:.4g} reported, {right:.4g} found{words}")
    if other:
        return lines, (
            "not reproduced",
            "the program does not give the numbers that were reported. Made-up numbers look like "
            "this; so do a seed that is not used and an older program. Ask first.",
        )
    why = "a seed that was reported gives no numbers here."
    return lines, ("does not run", why) if failed else None


def _judged(finding: Finding, runs: Runs) -> tuple[list[str], tuple[str, str]]:
    """The table of the new seeds, and the verdict with its reason."""
    n, own, outcomes = len(runs["run"]), finding.reported.values(), []
    lines = [f"{'':17s} own seeds  new seeds  of all seeds  claimed"]
    for words, name, statement in (
        ("claim", "run", finding.claim),
        ("control", "control", finding.control),
        ("claim on control", "control", finding.claim),
    ):
        said = sum(statement.true_of(numbers[name]) for numbers in own)
        right, share = sum(map(statement.true_of, runs[name])), statement.share_of_seeds
        low, high = least_share(right, n), 1 - least_share(n - right, n)
        outcomes.append(judged(right, n, share))
        lines.append(
            f"{words:17s} {f'{said} of {len(own)}':10s} {f'{right} of {n}':10s} "
            f"{low:.2f} to {high:.2f}  {share:.2f}     {outcomes[-1]}"
        )
    for name, results in runs.items():
        failed = [found for found in results if isinstance(found, str)]
        lines += [f"{name}, {failed.count(text)} of {n}: {text}" for text in dict.fromkeys(failed)]
        if n > 1 and not failed and all(found == results[0] for found in results):
            lines.append(f"{name}: the same numbers on all seeds. Is the seed used?")
    claim, control, shared = outcomes
    fewest = max(fewest_seeds(part.share_of_seeds) for part in (finding.claim, finding.control))
    if claim == "does not hold":
        ending = "unsound", "the claim does not hold on new seeds."
    elif control == "does not hold":
        ending = "unsound", "the control does not do what is said of it."
    elif shared == "holds":
        ending = "unsound", "the control shares the claim, which says less than it seems to."
    elif (claim, control, shared) == ("holds", "holds", "does not hold"):
        ending = "sound", "claim and control hold on new seeds, and they differ."
    else:
        few = f"{n} seeds can show nothing; {fewest} can." if n < fewest else "Draw more seeds."
        ending = "cannot tell", f"these seeds speak neither for it nor against it. {few}"
    return lines, ending


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0 with a verdict, 1 if there is nothing to run."""
    parser = argparse.ArgumentParser(
        prog="python -m rfm_tutorial.replicate",
        description="Run a finding again, on some of its own seeds and on new ones.",
    )
    parser.add_argument("folder", help="with experiment.py and findings.toml")
    parser.add_argument("--seeds", type=int, help="new ones; as few as can show it if left out")
    parser.add_argument("--draw", type=int, help="the seed of the seeds; random if left out")
    parser.add_argument("--again", type=int, default=2, help="how many reported seeds to repeat")
    parser.add_argument("--limit", type=float, default=60, help="seconds for one run")
    parser.add_argument("--tolerance", type=float, default=0.02, help="what counts as the same")
    parser.add_argument("--jobs", type=int, default=2, help="how many runs side by side")
    given = vars(parser.parse_args(arguments))
    try:
        print(replicate(n_seeds=given.pop("seeds"), **given))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
