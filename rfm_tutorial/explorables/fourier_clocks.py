"""Fourier clocks: digits become clock hands, turning hands adds digits, waves find the sum."""

from collections.abc import Iterable

import torch
import traitlets
from torch import Tensor

from rfm_tutorial.checks import check_integer
from rfm_tutorial.explorables.base import Explorable, script, style
from rfm_tutorial.explorables.wording import listing, rounded
from rfm_tutorial.fourier import fourier_multiplication

SMALLEST_MODULUS, LARGEST_MODULUS = 3, 61
TIE = 1e-9
"""Scores that are nearer to each other share a place: rounding is all that tells them apart."""


class FourierClocks(Explorable):
    """Add two digits with clocks, one for each frequency that is switched on.

    On the clock of frequency k, digit a turns the hand a times by k hours of p. Turning it for a
    and then for b is a multiplication of two phases, and shows k(a + b). Every clock then votes
    with a wave over the classes that has a crest at a + b; the scores are the sum of the waves.

    Parameters
    ----------
    modulus : p, 3 … 61; composite is fine
    a, b : digits, 0 … p − 1
    frequencies : those that are on, each in 0 … ⌊p/2⌋ and with its mirror p − k

    Raises
    ------
    ValueError
        If an argument is none of these.

    Examples
    --------
    >>> FourierClocks(13, a=3, b=5, frequencies=[1, 4])  # doctest: +NORMALIZE_WHITESPACE
    On a clock with 13 hours, 3 + 5 = 8. With 2 of 7 frequencies on, the score of 8 is 0.308, ahead
    of the next highest by 0.153.
    """

    _esm = script(
        "fourier_clocks",
        LARGEST_MODULUS=LARGEST_MODULUS,
        SMALLEST_MODULUS=SMALLEST_MODULUS,
        TIE=TIE,
    )
    _css = style("fourier_clocks")

    modulus = traitlets.Int(13, min=SMALLEST_MODULUS, max=LARGEST_MODULUS).tag(sync=True)
    a = traitlets.Int(3, min=0).tag(sync=True)
    b = traitlets.Int(5, min=0).tag(sync=True)
    frequencies = traitlets.List(traitlets.Int(min=0), [1]).tag(sync=True)

    def __init__(
        self, modulus: int = 13, a: int = 3, b: int = 5, frequencies: Iterable[int] = (1,)
    ) -> None:
        check_integer("modulus", modulus, at_least=SMALLEST_MODULUS, at_most=LARGEST_MODULUS)
        check_integer("a", a, at_least=0, at_most=modulus - 1)
        check_integer("b", b, at_least=0, at_most=modulus - 1)
        chosen = [
            check_integer("frequencies", k, at_least=0, at_most=modulus // 2) for k in frequencies
        ]
        super().__init__(modulus=modulus, a=a, b=b, frequencies=chosen)

    @traitlets.validate("a", "b", "frequencies")
    def _inside(self, proposal: dict) -> object:
        """Digits and frequencies that this clock has; each frequency once, the lowest first."""
        name, value = proposal["trait"].name, proposal["value"]
        several = name == "frequencies"
        highest = self.modulus // 2 if several else self.modulus - 1
        if max(value if several else [value], default=0) > highest:
            raise traitlets.TraitError(
                f"{name} must be at most {highest} for modulus {self.modulus}, got {value}"
            )
        return sorted(set(value)) if several else value

    @traitlets.observe("modulus")
    def _fit_to_modulus(self, _change: object) -> None:
        """Keep what a smaller clock has room for."""
        self.a, self.b = min(self.a, self.modulus - 1), min(self.b, self.modulus - 1)
        self.frequencies = [k for k in self.frequencies if k <= self.modulus // 2]

    @property
    def scores(self) -> Tensor:
        """The score of each class, (p,), as the package computes it."""
        if not self.frequencies:
            return torch.zeros(self.modulus, dtype=torch.float64)
        pair = torch.tensor([[self.a, self.b]])
        return fourier_multiplication(pair, self.modulus, frequencies=self.frequencies)[0]

    @property
    def sentence(self) -> str:
        """The sum, and how far its score is ahead of the next highest."""
        p, total = self.modulus, (self.a + self.b) % self.modulus
        start = f"On a clock with {p} hours, {self.a} + {self.b} = {total}."
        if not self.frequencies:
            return f"{start} No frequency is on: all scores are 0 and there is no spike."
        scores = self.scores
        start += f" With {len(self.frequencies)} of {p // 2 + 1} frequencies on,"
        highest = (scores > scores.max() - TIE).nonzero()[:, 0].tolist()
        if len(highest) == 1:
            lead = rounded(float(scores[total] - scores.sort().values[-2]), 3)
            score = rounded(float(scores[total]), 3)
            return f"{start} the score of {total} is {score}, ahead of the next highest by {lead}."
        tied = f"the classes {listing(highest)}" if len(highest) < 5 else f"{len(highest)} classes"
        score = rounded(float(scores.max()), 3)
        return f"{start} {tied} share the highest score, {score}: nothing tells them apart."
