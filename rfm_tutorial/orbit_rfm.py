"""The Recursive Feature Machine on whole diagonals: the numbers of `RFM` at about p⁴, not p⁶.

With m diagonals of N cells the kernel matrix has (mN)² entries. Turning the clock leaves it as it
is, so that cosine transforms make of it N/2 + 1 real blocks of m × m, one per frequency, and of a
feature matrix as many of 2 × 2. Nothing is approximated. `rfm_tutorial.orbit_blocks` has the
formulas.

Work, in multiplications of a step with a Gaussian kernel and m = s·N diagonals: N⁴ times s²/8 for
the transforms, s³/12 for the Cholesky factors and s² for the AGOP, all in matrix products; other
kernels take the transforms twice. Test predictions: N⁴ s(1 − s)/4. Memory: N m²/4 numbers for the
blocks, and about four times `chunk_numbers`.
"""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rfm_tutorial.checks import (
    check_callback,
    check_fitted,
    check_flag,
    check_integer,
    check_memory,
    check_numbers,
    check_real,
    check_same_kind,
    shown,
)
from rfm_tutorial.diagnosis import CenteringWatch, why_orbits_singular
from rfm_tutorial.history import follow
from rfm_tutorial.kernel_ridge import check_kernel
from rfm_tutorial.kernels import Kernel
from rfm_tutorial.linalg import PIVOT_ROUNDINGS, SingularKernelError, blockwise_power
from rfm_tutorial.orbit_blocks import (
    Blocks,
    Features,
    OneNumberKernel,
    Waves,
    gradient_sum,
    targets,
    transform_pairs,
    values_of_pairs,
)
from rfm_tutorial.orbit_splits import OrbitSplit
from rfm_tutorial.orbit_steps import OrbitStep
from rfm_tutorial.precision import in_full_precision
from rfm_tutorial.saving import read_model, write_model


@dataclass(eq=False)
class OrbitRFM:
    """Recursive Feature Machine on an `OrbitSplit`: step by step the numbers of `RFM` on the same
    split, in a small part of the time and memory.

    Parameters
    ----------
    kernel : a kernel object of the squared distance or of the product, as all of this package are
    n_iterations, ridge, agop_power, center_gradients : as for `RFM`
    chunk_numbers : how many numbers temporary arrays may hold; fewer take less memory, and more
        time only far below the default

    Attributes (after `fit`)
    ------------------------
    step_ : the last `OrbitStep`
    feature_matrix_ : its M, (2p, 2p)
    history_ : one dict of plain numbers per step, as that of `RFM`

    Source: derived in `rfm_tutorial.orbit_blocks`.

    Examples
    --------
    >>> from rfm_tutorial import GaussianKernel, ModularTask
    >>> split = ModularTask("add", 61).split_orbits(0.5, seed=1)
    >>> for step in OrbitRFM(GaussianKernel(2.5), n_iterations=14).iterate(split):
    ...     if step.iteration % 7 == 0:
    ...         print(step.iteration, round(step.test_accuracy, 2))
    0 0.0
    7 0.26
    14 0.68
    """

    kernel: Kernel
    n_iterations: int = 30
    ridge: float = 0.0
    agop_power: float = 0.5
    center_gradients: bool = True
    chunk_numbers: int = 2**22

    step_: OrbitStep = field(init=False, repr=False)
    history_: list[dict[str, float]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.n_iterations = check_integer("n_iterations", self.n_iterations, at_least=0)
        self.ridge = check_real("ridge", self.ridge)
        self.agop_power = check_real("agop_power", self.agop_power, positive=True)
        self.center_gradients = check_flag("center_gradients", self.center_gradients)
        self.chunk_numbers = check_integer("chunk_numbers", self.chunk_numbers, at_least=1)
        check_kernel(self.kernel)
        if not isinstance(self.kernel, OneNumberKernel):
            raise ValueError(
                f"kernel must be a RadialKernel or an InnerProductKernel, got {shown(self.kernel)}"
            )

    @property
    def feature_matrix_(self) -> Float[Tensor, "d d"]:
        """M of the last step, (2p, 2p)."""
        check_fitted(self, "step_", "fit(split)")
        return self.step_.feature_matrix

    def iterate(
        self, split: OrbitSplit, start: "OrbitStep | OrbitRFM | None" = None
    ) -> Iterator[OrbitStep]:
        """Yield step 0, 1, … n_iterations, each computed when it is asked for.

        Parameters
        ----------
        split : of `ModularTask.split_orbits`
        start : a step of an earlier run, or a fitted `OrbitRFM`, whose last step is meant: that
            step is the first one, and the run goes on as if it had never stopped

        Raises
        ------
        ValueError
            At once, if an argument does not fit, or memory does not hold what is needed.
        SingularKernelError
            If a step's system has no unique solution.
        """
        if not isinstance(split, OrbitSplit):
            raise ValueError(
                f"split must be an OrbitSplit, as task.split_orbits makes it, got {shown(split)}"
            )
        like = torch.empty(0, dtype=split.dtype, device=split.device)
        check_numbers("split", like)
        self.kernel.check_fits(split.dtype)
        if like.device.type == "cpu":
            check_memory(
                f"{len(split.differences)} diagonals of {split.clock.n_hours} cells",
                numbers_needed(split, self.chunk_numbers) * like.itemsize,
                "take fewer diagonals",
            )
        waves = Waves(split.clock.n_hours, like, self.chunk_numbers)
        return self._steps(split, waves, *self._begin(start, waves))

    def _begin(self, start, waves) -> tuple[int, Features]:
        """The number of the first step, and its features."""
        if start is None:
            identity = torch.eye(2, dtype=waves.like.dtype, device=waves.like.device)
            return 0, Features(waves, identity.repeat(waves.n_frequencies, 1, 1))
        if isinstance(start, OrbitRFM):
            check_fitted(start, "step_", "fit(split)")
            start = start.step_
        elif not isinstance(start, OrbitStep):
            raise ValueError(f"start must be a step or a fitted OrbitRFM, got {shown(start)}")
        if start.iteration > self.n_iterations:
            raise ValueError(
                f"start must not lie behind the last step, n_iterations = {self.n_iterations}, "
                f"got step {start.iteration}"
            )
        blocks, N = start.features.blocks, start.features.waves.n_hours
        if waves.n_hours != N:
            raise ValueError(
                f"start must be of a clock of {waves.n_hours} hours, as split is, got {N} hours"
            )
        check_same_kind("start", blocks, waves.like, "split")
        return start.iteration, Features(waves, blocks)

    def _steps(
        self, split: OrbitSplit, waves: Waves, first: int, M: Features
    ) -> Iterator[OrbitStep]:
        blocks, share = Blocks(waves, waves.names(split.differences)), math.nan
        variance = (1 - 1 / waves.n_hours) / split.clock.modulus
        watch = CenteringWatch(self.kernel, variance, self.ridge)
        for iteration in range(first, self.n_iterations + 1):
            alpha, fitted = self._solve(blocks, M, iteration, share)
            step = OrbitStep(iteration, self._kernel, split, M, alpha, fitted)
            watch.fitted(step.train_loss if self.ridge else 0.0, iteration)
            yield step
            if iteration < self.n_iterations:
                M, share = self._next_features(blocks, M, alpha, iteration)
                watch.centered(share)

    def fit(
        self,
        split: OrbitSplit,
        progress: bool = True,
        on_step: Callable[[OrbitStep], object] | None = None,
        validate: bool = True,
        start: "OrbitStep | OrbitRFM | None" = None,
    ) -> "OrbitRFM":
        """Run all steps, keep the last one and a history of plain numbers.

        A long run that may be cut off saves itself at every step, and goes on from the file:

            rfm.fit(split, on_step=lambda step: rfm.save(path))
            OrbitRFM(kernel).fit(split, start=OrbitRFM.load(path))

        Parameters
        ----------
        split : of `ModularTask.split_orbits`
        progress : a progress bar after a second, if stderr is a terminal
        on_step : called with each `OrbitStep`; a true result stops after that step
        validate : measure each step on the test diagonals, which takes about as long as the step
        start : as in `iterate`; the history of an `OrbitRFM` is taken over

        Raises
        ------
        ValueError, SingularKernelError
            As `iterate`.
        """
        check_flag("progress", progress)
        check_flag("validate", validate)
        check_callback("on_step", on_step)
        steps = self.iterate(split, start)
        # The last step of the run before is done again, and is here the first.
        before = start.history_[:-1] if isinstance(start, OrbitRFM) else ()
        names = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")[: 2 + 2 * validate]

        def measure(step: OrbitStep) -> dict[str, float]:
            return {name: getattr(step, name) for name in names}

        for step, history in follow(
            steps, self.n_iterations + 1, measure, on_step, progress, before
        ):
            self.step_, self.history_ = step, history
        return self

    def predict(self, pairs: Int[Tensor, "n 2"]) -> Float[Tensor, "n c"]:
        """`OrbitStep.predict` of the last step.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            As there.
        """
        check_fitted(self, "step_", "fit(split)")
        return self.step_.predict(pairs)

    def save(self, path: str | os.PathLike) -> None:
        """Write the fitted machine as a safetensors file, split and history included: a few
        numbers per diagonal and hour.

        It is written beside `path` under a temporary name and moved into place, so that there
        is never half a machine at `path`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the kernel could not be found and made again, as for `RFM.save`.
        """
        check_fitted(self, "step_", "fit(split)")
        tensors, numbers = self.step_.parts()
        settings = {name: getattr(self, name) for name in _settings()}
        about = {**settings, **numbers, "history": self.history_}
        write_model(path, self.kernel, tensors, about)

    @classmethod
    def load(cls, path: str | os.PathLike, device: torch.device | str = "cpu") -> "OrbitRFM":
        """Read a machine that `save` wrote, onto the given device.

        Raises
        ------
        ValueError
            As `RFM.load`.
        """
        needed = [*_settings(), *OrbitStep.NUMBERS, "history"]
        kernel, tensors, header = read_model(path, device, needed, OrbitStep.TENSORS)
        rfm = cls(kernel, **{name: header[name] for name in _settings()})
        rfm.history_ = header["history"]
        rfm.step_ = OrbitStep.from_parts(rfm._kernel, tensors, header)
        return rfm

    @property
    def _kernel(self) -> OneNumberKernel:
        assert isinstance(self.kernel, OneNumberKernel)  # since __post_init__
        return self.kernel

    @torch.inference_mode(False)
    @torch.no_grad()
    @in_full_precision
    def _solve(
        self, blocks: Blocks, M: Features, iteration: int, share: float
    ) -> tuple[Float[Tensor, "f m k"], Float[Tensor, "f m k"]]:
        """Coefficients, and what they fit; the kernel values stay in the blocks."""
        kernel, waves = self._kernel, blocks.waves
        # A cell's own value is kept apart where it says nothing about gradients: that saves digits.
        transform_pairs(
            kernel, kernel.profile, M, blocks.pairs, blocks.packed, without_own=kernel.radial
        )
        diagonal = kernel.profile(0 * M.own(blocks.H) if kernel.radial else M.own(blocks.H))
        added = self.ridge + (diagonal if kernel.radial else 0 * diagonal)
        alpha = targets(waves, blocks.H)
        fitted, spread = torch.empty_like(alpha), torch.zeros_like(diagonal)
        name = f"the kernel matrix of step {iteration}"
        for part in blocks.chunks(3):
            K = blocks.of(part)
            K.diagonal(dim1=1, dim2=2).add_(added)
            factor, info = torch.linalg.cholesky_ex(K)
            pivots = factor.diagonal(dim1=1, dim2=2).square()
            spread += waves.frequency_weights[part] @ (1 / pivots)
            if bool(info.any()):
                if not bool(torch.isfinite(K).all()):
                    raise ValueError(
                        f"{name} must be finite, got NaN or infinity in it: the feature matrix or "
                        f"the ridge is too large for {K.dtype}"
                    )
                row = int(info[info > 0][0]) - 1
                self._refuse_singular(blocks, M, name, row, "not positive", share)
            alpha[part] = torch.cholesky_solve(alpha[part], factor)
            fitted[part] = K @ alpha[part] - self.ridge * alpha[part]
        # The pivot of the dense factorisation at the last cell of each diagonal, which is its
        # smallest one there: the harmonic mean over the frequencies.
        pivots = waves.n_hours / spread / (diagonal + self.ridge)
        row = int(pivots.argmin())
        if not float(pivots[row]) > PIVOT_ROUNDINGS * torch.finfo(pivots.dtype).eps:
            found = f"{float(pivots[row]):.1e} of its diagonal entry"
            self._refuse_singular(blocks, M, name, row, found, share)
        return alpha, fitted

    def _refuse_singular(
        self, blocks: Blocks, M: Features, name: str, row: int, found: str, share: float
    ):
        kernel, n = self._kernel, len(blocks.H) * blocks.waves.n_hours
        lowest, highest = math.inf, -math.inf
        for _, _, values in values_of_pairs(kernel, kernel.profile, M, blocks.pairs):
            low, high = torch.aminmax(values)
            lowest, highest = min(lowest, float(low)), max(highest, float(high))
        eigenvalues = torch.linalg.eigvalsh(M.blocks)
        why = why_orbits_singular(
            kernel,
            n,
            (lowest, highest),
            torch.cat([eigenvalues, eigenvalues[M.waves.frequency_weights == 2]]).flatten(),
            eigenvalues.dtype,
            self.ridge,
            share,
        )
        raise SingularKernelError(
            f"{name} ({n} rows, {eigenvalues.dtype}) is singular: the Cholesky pivot of diagonal "
            f"{int(blocks.H[row]) % blocks.waves.n_hours} is {found}. {why}"
        )

    @torch.inference_mode(False)
    @torch.no_grad()
    @in_full_precision
    def _next_features(
        self, blocks: Blocks, M: Features, alpha: Tensor, iteration: int
    ) -> tuple[Features, float]:
        """M of the next step, and what centering left of the gradients behind it."""
        kernel, waves = self._kernel, blocks.waves
        if not kernel.slopes_are_values:
            transform_pairs(
                kernel, kernel.slope, M, blocks.pairs, blocks.packed, without_own=kernel.radial
            )
        scaled = alpha * kernel.slope_scale
        total, mean = gradient_sum(blocks, scaled, kernel.radial, self.center_gradients)
        n = len(blocks.H) * waves.n_hours
        finite = bool(torch.isfinite(total).all())
        G, taken = (_between(M.blocks, part / n) if finite else part for part in (total, mean))
        if not bool(torch.isfinite(G).all()):
            raise ValueError(
                f"the AGOP of step {iteration} must be finite, got NaN or infinity in it: the "
                f"feature matrix is too large or too small for {G.dtype}"
            )
        if iteration == 0 and not bool(G.any()):
            raise SingularKernelError(
                f"the predictor of step {iteration} has no features: its gradients are 0. The "
                f"bandwidth is too small, or the ridge too large"
            )
        traces = [
            float(waves.frequency_weights @ part.diagonal(dim1=1, dim2=2).sum(1))
            for part in (G, taken)
        ]
        share = traces[0] / sum(traces) if self.center_gradients and sum(traces) > 0 else math.nan
        return Features(waves, blockwise_power(G, self.agop_power)), share


def numbers_needed(split: OrbitSplit, chunk_numbers: int) -> float:
    """How many numbers `OrbitRFM` holds at once: the blocks of all frequencies, tables of cosines,
    and what `chunk_numbers` allows for the rest.

    Examples
    --------
    >>> from rfm_tutorial import ModularTask
    >>> split = ModularTask("add", 997).split_orbits(0.25)
    >>> f"{8 * numbers_needed(split, 2**22) / 1e9:.1f} GB in float64"
    '0.3 GB in float64'
    """
    m, N = len(split.differences), split.clock.n_hours
    return m * (m + 1) / 2 * (N / 2 + 4) + 4.0 * N * N + 4 * chunk_numbers


def _settings() -> list[str]:
    """The parameters besides the kernel."""
    return [field.name for field in fields(OrbitRFM) if field.init and field.name != "kernel"]


def _between(M: Float[Tensor, "f 2 2"], S: Float[Tensor, "f 2 2"]) -> Float[Tensor, "f 2 2"]:
    """M S M of positive semidefinite S, and as positive itself: by a root of S. What M takes away
    leaves no rounding behind."""
    values, vectors = torch.linalg.eigh(S)
    root = M @ (vectors * values.clamp(min=0).sqrt()[:, None, :])
    return root @ root.mT
