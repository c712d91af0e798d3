"""Paint a circulant: draw a vector, and a kernel machine answers with the block that it makes."""

from collections.abc import Sequence

import torch
import traitlets
from torch import Tensor

from rfm_tutorial.checks import check_integer, check_real
from rfm_tutorial.circulant import (
    circulant_block,
    circulant_deviation,
    circulant_matrix,
)
from rfm_tutorial.explorables.base import script, style
from rfm_tutorial.explorables.in_page import GIVEN, InPage, check_settings
from rfm_tutorial.explorables.wording import rounded
from rfm_tutorial.features import block_features
from rfm_tutorial.kernel_ridge import KernelRidge
from rfm_tutorial.kernels import GaussianKernel
from rfm_tutorial.linalg import SingularKernelError
from rfm_tutorial.operations import OPERATIONS

BANDWIDTH = 2.5
LARGEST_NOISE = 2.0
LARGEST_ROW_SEED = 999
EXACT = 1e-9
"""A block with a smaller deviation is circulant: rounding is all that is left."""
NOISE_SEED = 1
"""Seed of the noise matrix, which is always the same one: the slider says how much of it."""


class PaintCirculant(InPage):
    """A block of features by hand, and what an ordinary kernel machine makes of it.

    The row that the reader paints is the first row of a circulant block. `block_features` makes
    a feature matrix of it, as `random_circulant_features` does with a random row, and a Gaussian
    kernel machine with bandwidth 2.5 and no ridge learns the training pairs with it. Noise, added
    to all entries of the block, breaks its structure.

    Parameters
    ----------
    operation : "add", "sub", "mul" or "div"
    modulus : p, a prime from 11 to 23
    train_fraction : 0.3 … 0.9
    seed : of the split, 0 … 50
    row : the first row of the block, p numbers, or p − 1 for "mul" and "div"; the random row of
        `random_circulant_features` with seed `row_seed` if None
    row_seed : of the random row, 0 … 999
    noise : size of the noise as a multiple of the row's root mean square, 0 … 2

    Raises
    ------
    ValueError
        If an argument is none of these.

    Examples
    --------
    >>> PaintCirculant("add", 23)  # doctest: +NORMALIZE_WHITESPACE
    a + b mod 23, 50 % to train on. The block is circulant. With it the kernel machine answers
    257 of 265 new pairs right, 97 %; with M = I, 0 %.
    """

    _esm = script(
        "paint",
        **GIVEN,
        BANDWIDTH=BANDWIDTH,
        EXACT=EXACT,
        LARGEST_NOISE=LARGEST_NOISE,
        LARGEST_ROW_SEED=LARGEST_ROW_SEED,
        NOISE_SEED=NOISE_SEED,
    )
    _css = style("in_page", "paint")

    row = traitlets.List(traitlets.Float()).tag(sync=True)
    row_seed = traitlets.Int(0, min=0, max=LARGEST_ROW_SEED).tag(sync=True)
    noise = traitlets.Float(0.0, min=0.0, max=LARGEST_NOISE).tag(sync=True)

    def __init__(
        self,
        operation: str = "add",
        modulus: int = 23,
        train_fraction: float = 0.5,
        seed: int = 0,
        row: Sequence[float] | Tensor | None = None,
        row_seed: int = 0,
        noise: float = 0.0,
    ) -> None:
        check_settings(operation, modulus, train_fraction, seed)
        check_integer("row_seed", row_seed, at_least=0, at_most=LARGEST_ROW_SEED)
        if check_real("noise", noise) > LARGEST_NOISE:
            raise ValueError(f"noise must be at most {LARGEST_NOISE}, got {noise}")
        n = block_size(operation, modulus)
        numbers = random_row(n, row_seed) if row is None else [float(value) for value in row]
        if len(numbers) != n:
            raise ValueError(f"row must have {n} numbers for {operation!r}, got {len(numbers)}")
        super().__init__(
            operation=operation,
            modulus=modulus,
            train_fraction=train_fraction,
            seed=seed,
            row_seed=row_seed,
            noise=noise,
        )
        self.row = numbers  # last: a new modulus or seed brings a row of its own

    @traitlets.validate("row")
    def _fits(self, proposal: dict) -> object:
        """A row with one number for each digit that takes part."""
        n = block_size(self.operation, self.modulus)
        if len(proposal["value"]) != n:
            raise traitlets.TraitError(f"row must have {n} numbers, got {len(proposal['value'])}")
        return proposal["value"]

    @traitlets.observe("operation", "modulus", "row_seed")
    def _new_row(self, change: dict) -> None:
        """A random row, if another one was asked for or the old one does not fit."""
        n = block_size(self.operation, self.modulus)
        if change["name"] == "row_seed" or len(self.row) != n:
            self.row = random_row(n, self.row_seed)

    @property
    def block(self) -> Tensor:
        """What is painted, with its noise: (p, p), or (p − 1, p − 1) for "mul" and "div"."""
        row = torch.tensor(self.row, dtype=torch.float64)
        n = len(row)
        generator = torch.Generator().manual_seed(NOISE_SEED)
        noise = torch.randn(n * n, dtype=torch.float64, generator=generator).view(n, n)
        return circulant_matrix(row) + self.noise * row.square().mean().sqrt() * noise

    @property
    def feature_matrix(self) -> Tensor:
        """The features (2p, 2p) made of the block; the identity if nothing is painted."""
        if not any(self.row):
            return torch.eye(2 * self.modulus, dtype=torch.float64)
        return block_features(self.block, self.operation)

    def right_answers(self, feature_matrix: Tensor) -> int:
        """How many test pairs a kernel machine with these features answers right."""
        split = self.split
        model = KernelRidge(GaussianKernel(BANDWIDTH))
        model.fit(split.X_train, split.Y_train, feature_matrix)
        return int((model.predict(split.X_test).argmax(1) == split.y_test).sum())

    @property
    def sentence(self) -> str:
        """How circulant the features are, and how many new pairs they make right."""
        total = len(self.split.y_test)
        plain = self.right_answers(torch.eye(2 * self.modulus, dtype=torch.float64))
        without = f"with M = I, {rounded(100 * plain / total, 0)} %."
        if not any(self.row):
            return f"{self._task_in_words}. All bars are at zero, so there is no block; {without}"
        M = self.feature_matrix
        deviation = circulant_deviation(circulant_block(M, self.operation))
        start = f"{self._task_in_words}. The block " + (
            "is circulant." if deviation < EXACT else f"has deviation {rounded(deviation, 2)}."
        )
        try:
            right = self.right_answers(M)
        except SingularKernelError:
            return f"{start} With it the kernel matrix is singular, and there is no answer."
        share = rounded(100 * right / total, 0)
        return (
            f"{start} With it the kernel machine answers {right} of {total} new pairs right, "
            f"{share} %; {without}"
        )


def block_size(operation: str, modulus: int) -> int:
    """Rows of the arranged block: "mul" and "div" leave out the digit zero."""
    return OPERATIONS[operation].n_hours(modulus)


def random_row(n: int, seed: int) -> list[float]:
    """The first row that `random_circulant_features` draws with this seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, dtype=torch.float64, generator=generator).tolist()
