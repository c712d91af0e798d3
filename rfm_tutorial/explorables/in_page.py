"""What the explorables that compute in the page have in common: the settings that they offer.

A page works on small clocks only. The split is the package's own for every seed: the script draws
the same permutation as torch does.
"""

from typing import cast

import traitlets

from rfm_tutorial.checks import check_choice, check_integer, check_real
from rfm_tutorial.datasets import Split
from rfm_tutorial.explorables.base import Explorable
from rfm_tutorial.explorables.wording import SYMBOLS, rounded
from rfm_tutorial.tasks import ModularTask

MODULI = (11, 13, 17, 19, 23)
FRACTIONS = (0.3, 0.9)
LARGEST_SEED = 50
GIVEN = {
    "MODULI": MODULI,
    "FRACTIONS": FRACTIONS,
    "LARGEST_SEED": LARGEST_SEED,
    "SYMBOLS": SYMBOLS,
}
"""What in_page.js has to know."""


class InPage(Explorable):
    """An explorable with a table, cut into a training and a test part, of its own."""

    operation = traitlets.Enum(tuple(SYMBOLS), "add").tag(sync=True)
    modulus = traitlets.Enum(MODULI, 23).tag(sync=True)
    train_fraction = traitlets.Float(0.5, min=FRACTIONS[0], max=FRACTIONS[1]).tag(sync=True)
    seed = traitlets.Int(0, min=0, max=LARGEST_SEED).tag(sync=True)

    @property
    def split(self) -> Split:
        """The package's split, which the page draws for itself."""
        return ModularTask(self.operation, self.modulus).split(self.train_fraction, self.seed)

    @property
    def _task_in_words(self) -> str:
        symbol = SYMBOLS[cast(str, self.operation)]
        return f"{symbol} mod {self.modulus}, {rounded(100 * self.train_fraction, 0)} % to train on"


def check_settings(operation: str, modulus: int, train_fraction: float, seed: int) -> None:
    """Raise `ValueError` unless these are settings that a page offers."""
    check_choice("operation", operation, SYMBOLS)
    check_integer("modulus", modulus, at_least=2)
    if modulus not in MODULI:
        raise ValueError(f"modulus must be one of {', '.join(map(str, MODULI))}, got {modulus}")
    low, high = FRACTIONS
    if not low <= check_real("train_fraction", train_fraction) <= high:
        raise ValueError(f"train_fraction must lie in {low} … {high}, got {train_fraction}")
    check_integer("seed", seed, at_least=0, at_most=LARGEST_SEED)
