"""What a step of `rfm_tutorial.orbit_rfm` knows: features, measures, predictions for any cell."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rfm_tutorial.checks import check_digits, in_short
from rfm_tutorial.orbit_blocks import (
    Features,
    OneNumberKernel,
    Waves,
    by_label,
    scores_from_label,
)
from rfm_tutorial.orbit_splits import OrbitClock, OrbitSplit
from rfm_tutorial.precision import in_full_precision


@dataclass(frozen=True, eq=False)
class OrbitStep:
    """One step of the loop. What is asked for is computed then, and kept.

    It holds a few numbers per diagonal and hour, no matrix of the size of the table.

    Attributes
    ----------
    iteration : 0, 1, …
    features : M, by its waves
    dual_coef : (N/2 + 1, m, number of kinds of labels), the transformed coefficients
    fitted : the same for the predictions on the training cells
    """

    iteration: int
    kernel: OneNumberKernel
    split: OrbitSplit
    features: Features
    dual_coef: Float[Tensor, "f m k"]
    fitted: Float[Tensor, "f m k"]

    def __repr__(self) -> str:
        return in_short("OrbitStep", {"iteration": self.iteration, "split": self.split})

    TENSORS: ClassVar = ("blocks", "dual_coef", "fitted", "digits", "differences")
    NUMBERS: ClassVar = ("iteration", "modulus", "turn", "chunk_numbers")

    def parts(self) -> tuple[dict[str, Tensor], dict[str, int]]:
        """What it is made of, as files hold it: `TENSORS` and `NUMBERS`."""
        clock = self.split.clock
        tensors = (
            self.features.blocks,
            self.dual_coef,
            self.fitted,
            clock.digits,
            self.split.differences,
        )
        numbers = (self.iteration, clock.modulus, clock.turn, self.features.waves.numbers)
        return dict(zip(self.TENSORS, tensors, strict=True)), dict(
            zip(self.NUMBERS, numbers, strict=True)
        )

    @classmethod
    def from_parts(
        cls, kernel: OneNumberKernel, tensors: dict[str, Tensor], numbers: dict[str, Any]
    ) -> "OrbitStep":
        """A step from its `parts`."""
        blocks, dual_coef, fitted, digits, differences = (tensors[name] for name in cls.TENSORS)
        iteration, modulus, turn, chunk_numbers = (numbers[name] for name in cls.NUMBERS)
        clock = OrbitClock(modulus, digits.cpu(), turn)
        split = OrbitSplit(clock, differences, blocks.dtype, blocks.device)
        waves = Waves(clock.n_hours, blocks.new_empty(0), chunk_numbers)
        return cls(iteration, kernel, split, Features(waves, blocks), dual_coef, fitted)

    @property
    def rows(self) -> Float[Tensor, "3 N"]:
        """The rows from which M comes, (3, N), in the order of hours: entry h of the first is what
        M has for first digits h hours apart, of the second for second digits (the same numbers),
        and of the third for a second digit h hours ahead of the first."""
        a, c = self.features.rows
        return torch.stack([a, a, c])

    @cached_property
    def feature_matrix(self) -> Float[Tensor, "d d"]:
        """M, (2p, 2p) in the natural order of digits."""
        p, clock = self.split.clock.modulus, self.split.clock
        a, c = self.features.rows
        N, device = clock.n_hours, a.device
        first, second = clock.digits.to(device), clock.second_digits.to(device) + p
        hour = torch.arange(N, device=device)
        ahead = (hour - hour[:, None]) % N
        # The digit that is on no hour keeps its part of the identity until M is learned.
        M = a.new_zeros(2 * p, 2 * p) if self.iteration else torch.eye(2 * p).to(a)
        M[first[:, None], first] = M[second[:, None], second] = a[ahead]
        M[first[:, None], second] = c[ahead]
        M[second[:, None], first] = c[ahead].T
        return M

    @cached_property
    def _test_scores(self) -> tuple[float, float]:
        """Loss and accuracy."""
        return self._measure(self._scores(self.split.test_differences))

    @property
    def test_loss(self) -> float:
        """The mean squared error over all test cells and outputs."""
        return self._test_scores[0]

    @property
    def test_accuracy(self) -> float:
        """The share of test cells that are right. A diagonal is right as a whole or wrong as a
        whole; it is wrong where another label has as high a score."""
        return self._test_scores[1]

    @cached_property
    def _train_scores(self) -> tuple[float, float]:
        waves = self.features.waves
        H = waves.names(self.split.differences)
        return self._measure(by_label(waves, H, self.fitted))

    @property
    def train_loss(self) -> float:
        """As `test_loss`, over the training cells."""
        return self._train_scores[0]

    @property
    def train_accuracy(self) -> float:
        """As `test_accuracy`, over the training cells."""
        return self._train_scores[1]

    def predict(self, pairs: Int[Tensor, "n 2"]) -> Float[Tensor, "n c"]:
        """Predictions for some cells (a, b), one column for each label.

        Raises
        ------
        ValueError
            If pairs are not int64 digits, (n, 2), or a digit is on no hour of the clock.
        """
        split, waves = self.split, self.features.waves
        N, clock = waves.n_hours, split.clock
        check_digits("pairs", pairs, clock.modulus)
        i, j = clock.hours(pairs.to("cpu")).T
        differences, which = ((i - j) % N).unique(return_inverse=True)
        scores = self._scores(differences)
        V = (i + j)[:, None] - torch.arange(N, device="cpu")
        everything = scores.new_zeros(len(pairs), split.clock.modulus)
        by_hour = scores[which.to(scores.device)[:, None], (V % N).to(scores.device)]
        everything[:, clock.digits.to(scores.device)] = by_hour
        return everything

    @torch.inference_mode(False)
    @torch.no_grad()
    @in_full_precision
    def _scores(self, differences: Int[Tensor, " t"]) -> Float[Tensor, "t N"]:
        waves = self.features.waves
        centers, H = waves.names(self.split.differences), waves.names(differences)
        scores = scores_from_label(self.kernel, self.features, centers, self.dual_coef, H)
        if not bool(torch.isfinite(scores).all()):
            raise ValueError(
                f"predictions must be finite, got NaN or infinity in {scores.dtype}: the feature "
                f"matrix is too large"
            )
        return scores

    def _measure(self, scores: Float[Tensor, "t N"]) -> tuple[float, float]:
        """Loss and accuracy, from the scores as seen from the label, which is column 0."""
        n_classes = self.split.clock.modulus
        highest = scores[:, 1:].amax(1)
        if n_classes > scores.shape[1]:  # a label that no training cell has: its score is 0
            highest = highest.clamp(min=0)
        right = (scores[:, 0] > highest).double().mean()
        errors = scores[:, 1:].square().sum(1) + (scores[:, 0] - 1).square()
        return float(errors.mean()) / n_classes, float(right)
