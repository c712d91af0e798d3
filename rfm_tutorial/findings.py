"""A finding, and what is claimed of it, in a form that a program can check.

It is a folder with two files. `experiment.py` has two functions of a seed, `run` and `control`,
which give back numbers by name. `findings.toml` says what these are to be:

    title = "..."                       # and the texts says, predicted, ours, refuted_by
    [claim]
    holds = "right >= 0.9"              # several comparisons may be joined by "and"
    share_of_seeds = 0.7                # on at least this share of all seeds
    [control]                           # the same, of `control`
    holds = "right <= 0.3"
    share_of_seeds = 0.7
    [[reported]]                        # five or more, each from a run
    seed = 0
    run = { right = 0.98 }
    control = { right = 0.05 }
"""

import math
import operator
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEXTS = ("title", "says", "predicted", "ours", "refuted_by")
AT_LEAST = 5
"""So many seeds are reported."""
COMPARISON = re.compile(r"\s*([a-zA-Z]\w*)\s*(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?)\s*")
SIGNS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}

Numbers = dict[str, float]


@dataclass(frozen=True)
class Statement:
    """What is claimed of the numbers of a function, and for which share of all seeds.

    Examples
    --------
    >>> Statement("right > 0.9 and even < 0.1", 0.7).true_of({"right": 0.95, "even": 0.0})
    True
    """

    holds: str
    share_of_seeds: float

    def true_of(self, numbers: Numbers | str) -> bool:
        """Whether it is true of a run; never of one that failed, of which there is a text."""
        return not isinstance(numbers, str) and all(
            SIGNS[sign](numbers.get(name, math.nan), float(bound))
            for part in self.holds.split(" and ")
            for name, sign, bound in COMPARISON.findall(part)
        )


@dataclass(frozen=True)
class Finding:
    """What a `findings.toml` says; `reported` has for each seed the numbers of both functions."""

    title: str
    claim: Statement
    control: Statement
    reported: dict[int, dict[str, Numbers]]


def read_finding(folder: str | Path) -> Finding:
    """The finding in a folder.

    Raises
    ------
    ValueError
        If something is missing or of another kind; the message says what.
    OSError
        If there is no such file.
    """
    path = Path(folder) / "findings.toml"
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:  # of TOML or of UTF-8
        raise ValueError(f"{path} must be a TOML file, got: {error}") from None
    for name in TEXTS:
        if not isinstance(given.get(name), str) or not given[name].strip():
            raise ValueError(f"findings.toml must have a text {name}, got {given.get(name)!r}")
    rows = given.get("reported", [])
    if not isinstance(rows, list) or len(rows) < AT_LEAST:
        raise ValueError(
            f"findings.toml must have [[reported]] for {AT_LEAST} seeds or more, got {rows!r:.60}"
        )
    reported: dict[int, dict[str, Numbers]] = {}
    for row in rows:
        seed = row.get("seed") if isinstance(row, dict) else row
        if type(seed) is not int or not 0 <= seed < 2**31 or seed in reported:
            raise ValueError(f"each seed must be another integer from 0 to 2³¹ − 1, got {seed!r}")
        reported[seed] = {}
        for name in ("run", "control"):
            numbers = as_numbers(row.get(name))
            if isinstance(numbers, str):
                raise ValueError(f"{name} of the reported seed {seed}: {numbers}")
            reported[seed][name] = numbers
    claim, control = (_statement(name, given.get(name)) for name in ("claim", "control"))
    return Finding(printable(given["title"]), claim, control, reported)


def as_numbers(value: Any) -> Numbers | str:
    """What a function gave back, if it is finite numbers by name; else in words what it is."""
    if not isinstance(value, dict) or not 1 <= len(value) <= 20:
        return f"numbers by name are wanted, such as {{'right': 0.9}}, got {value!r:.60}"
    for name, number in value.items():
        if not str(name).isidentifier():
            return f"names must be words such as right, got {name!r:.40}"
        if type(number) not in (int, float) or not abs(number) < 1e300:
            return f"{name:.40} must be a finite number; float(…) makes one, got {number!r:.40}"
    return {name: float(number) for name, number in value.items()}


def printable(text: str) -> str:
    """The beginning of a text in one line, without what could write over other lines."""
    return "".join(c if c.isprintable() else " " for c in text[:300])


def _statement(name: str, part: Any) -> Statement:
    part = part if isinstance(part, dict) else {}
    holds, share = part.get("holds"), part.get("share_of_seeds")
    if not isinstance(holds, str) or not all(map(COMPARISON.fullmatch, holds.split(" and "))):
        raise ValueError(f'holds in [{name}] must read like "right >= 0.9", got {holds!r}')
    if type(share) is not float or not 0.5 <= share <= 0.95:
        raise ValueError(f"share_of_seeds in [{name}] must lie in 0.5 … 0.95, got {share!r}")
    return Statement(holds, share)
