"""The symmetry trap: hide cells of a table, and the page trains a machine on the rest."""

from collections.abc import Sequence
from functools import lru_cache

import torch
import traitlets
from torch import Tensor

from rfm_tutorial.checks import check_integer
from rfm_tutorial.datasets import one_hot
from rfm_tutorial.explorables.base import Explorable, script, style
from rfm_tutorial.explorables.in_page import GIVEN, MODULI
from rfm_tutorial.explorables.wording import rounded
from rfm_tutorial.kernels import GaussianKernel
from rfm_tutorial.rfm import RFM
from rfm_tutorial.tasks import ModularTask

BANDWIDTH = 2.5
LAST = 20
TIE = 1e-6
"""An answer counts if its score is ahead of all others by more: what is closer is rounding."""
SMALLEST = 1e-5
"""Even shares below it are not told apart: they end as rounding."""


class SymmetryTrap(Explorable):
    """A table of sums whose cells can be hidden, and the features that the rest of it brings forth.

    Gaussian kernel with bandwidth 2.5, no ridge. The shown cells are the training set, the hidden
    ones the tests.

    Parameters
    ----------
    modulus : p, a prime from 11 to 23
    hidden : the numbers a·p + b of the hidden cells, half of the table at most; the diagonal if
        None
    step : 0 … 20, how many updates of the features
    a, b : the cell that the buttons speak of

    Raises
    ------
    ValueError
        If an argument is none of these.

    Examples
    --------
    >>> SymmetryTrap(17)  # doctest: +NORMALIZE_WHITESPACE
    a + b mod 17, 17 cells are hidden, and the shown ones mirror each other. After 20 updates the
    machine is right on 0 of 17 hidden cells of the diagonal and on 0 of 0 others. Even share of
    M: below 0.00001.
    """

    _esm = script("trap", **GIVEN, BANDWIDTH=BANDWIDTH, LAST=LAST, SMALLEST=SMALLEST, TIE=TIE)
    _css = style("in_page", "trap")

    modulus = traitlets.Enum(MODULI, 17).tag(sync=True)
    hidden = traitlets.List(traitlets.Int()).tag(sync=True)
    step = traitlets.Int(LAST, min=0, max=LAST).tag(sync=True)
    a = traitlets.Int(3, min=0).tag(sync=True)
    b = traitlets.Int(8, min=0).tag(sync=True)

    def __init__(
        self,
        modulus: int = 17,
        hidden: Sequence[int] | None = None,
        step: int = LAST,
        a: int = 3,
        b: int = 8,
    ) -> None:
        check_integer("modulus", modulus, at_least=2)
        if modulus not in MODULI:
            raise ValueError(f"modulus must be one of {', '.join(map(str, MODULI))}, got {modulus}")
        check_integer("step", step, at_least=0, at_most=LAST)
        for name, digit in (("a", a), ("b", b)):
            check_integer(name, digit, at_least=0, at_most=modulus - 1)
        cells = diagonal(modulus) if hidden is None else sorted({*map(int, hidden)})
        if cells and not 0 <= cells[0] <= cells[-1] < modulus**2:
            raise ValueError(f"hidden must be cells from 0 to {modulus**2 - 1}, got {cells}")
        if len(cells) > modulus**2 // 2:
            raise ValueError(
                f"hidden must be {modulus**2 // 2} cells at most, half of the table, "
                f"got {len(cells)}"
            )
        super().__init__(modulus=modulus, step=step, a=a, b=b)
        self.hidden = cells  # last: a new modulus brings a diagonal of its own

    @traitlets.observe("modulus")
    def _new_table(self, change: dict) -> None:
        self.hidden = diagonal(self.modulus)
        self.a, self.b = min(self.a, self.modulus - 1), min(self.b, self.modulus - 1)

    @property
    def sentence(self) -> str:
        """How many hidden cells are right after so many updates."""
        p, cells = self.modulus, {*self.hidden}
        right, share = outcome(p, tuple(self.hidden), self.step)
        mirrored = all((k % p) * p + k // p in cells for k in cells)
        counts = [
            (
                sum(hit for hit, k in zip(right, self.hidden, strict=True) if wanted(k)),
                sum(map(wanted, self.hidden)),
            )
            for wanted in (lambda k: k % (p + 1) == 0, lambda k: k % (p + 1) != 0)
        ]
        (on, of_diagonal), (off, of_others) = counts
        when = f"After {self.step} update{'' if self.step == 1 else 's'}"
        return (
            f"a + b mod {p}, {len(cells)} cell{' is' if len(cells) == 1 else 's are'} hidden, and "
            f"the shown ones {'mirror' if mirrored else 'do not mirror'} each other. "
            f"{when if self.step else 'Before any update'} the machine is right on {on} of "
            f"{of_diagonal} hidden cells of the diagonal and on {off} of {of_others} others. "
            f"Even share of M: {rounded(share, 5) if share >= SMALLEST else 'below 0.00001'}."
        )


def diagonal(p: int) -> list[int]:
    """The cells a = b, which stay where they are in the mirror."""
    return [k * (p + 1) for k in range(p)]


def even_share(M: Tensor) -> float:
    """How much of the trace of M (2p, 2p) lies in e_a + e_b, and not in e_a − e_b."""
    p = len(M) // 2
    return 0.5 + float(M[:p, p:].trace() / M.trace())


@lru_cache(maxsize=64)
def outcome(p: int, hidden: tuple[int, ...], step: int) -> tuple[list[bool], float]:
    """Which hidden cells are right after so many updates, and the even share of M."""
    task = ModularTask("add", p)
    shown = torch.ones(p * p, dtype=torch.bool)
    shown[list(hidden)] = False
    X, Y = task.encode(task.pairs[shown]), one_hot(task.labels[shown], p)
    *_, last = RFM(GaussianKernel(BANDWIDTH), step).iterate(X, Y)
    if not hidden:
        return [], even_share(last.feature_matrix)
    tests = torch.tensor(hidden)
    scores, labels = last.predict(task.encode(task.pairs[tests])), task.labels[tests, None]
    own = scores.gather(1, labels)[:, 0]
    others = scores.scatter(1, labels, -torch.inf).max(1).values
    return (own - others > TIE).tolist(), even_share(last.feature_matrix)
