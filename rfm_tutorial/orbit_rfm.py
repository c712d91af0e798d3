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
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm import tqdm

from rfm_tutorial.checks import (
    check_fitted,
    check_flag,
    check_integer,
    check_memory,
    check_numbers,
    check_real,
    shown,
)
from rfm_tutorial.diagnosis import CenteringWatch, why_orbits_singular
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

    def iterate(self, split: OrbitSplit) -> Iterator[OrbitStep]:
        """Yield step 0, 1, … n_iterations, each computed when it is asked for.

        Raises
        ------
        ValueError
            At once, if split is not an `OrbitSplit`, or memory does not hold what is needed.
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
        m, N = len(split.differences), split.clock.n_hours
        if like.device.type == "cpu":
            numbers = m * (m + 1) / 2 * (N / 2 + 4) + 4.0 * N * N + 4 * self.chunk_numbers
            check_memory(
                f"{m} diagonals of {N} cells", numbers * like.itemsize, "take fewer diagonals"
            )
        return self._steps(split, Waves(N, like, self.chunk_numbers))

    def _steps(self, split: OrbitSplit, waves: Waves) -> Iterator[OrbitStep]:
        blocks = Blocks(waves, waves.names(split.differences))
        identity = torch.eye(2, dtype=split.dtype, device=split.device)
        M, share = Features(waves, identity.repeat(waves.n_frequencies, 1, 1)), math.nan
        variance = (1 - 1 / waves.n_hours) / split.clock.modulus
        watch = CenteringWatch(self.kernel, variance, self.ridge)
        for iteration in range(self.n_iterations + 1):
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
    ) -> "OrbitRFM":
        """Run all steps, keep the last one and a history of plain numbers.

        Parameters
        ----------
        split : of `ModularTask.split_orbits`
        progress : a progress bar after a second, if stderr is a terminal
        on_step : called with each `OrbitStep`; a true result stops after that step
        validate : measure each step on the test diagonals, which takes about as long as the step

        Raises
        ------
        ValueError, SingularKernelError
            As `iterate`.
        """
        check_flag("progress", progress)
        check_flag("validate", validate)
        if on_step is not None and not callable(on_step):
            raise ValueError(f"on_step must be a function or None, got {shown(on_step)}")
        steps = self.iterate(split)
        history: list[dict[str, float]] = []
        measured = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
        started = time.perf_counter()
        # disable=None: silent unless stderr is a terminal. delay: silent for short fits.
        with tqdm(total=self.n_iterations + 1, disable=None if progress else True, delay=1) as bar:
            for step in steps:
                record = {
                    "iteration": step.iteration,
                    "seconds": time.perf_counter() - started,
                    **{name: getattr(step, name) for name in measured[: 4 if validate else 2]},
                }
                history.append(record)
                self.step_, self.history_ = step, history
                bar.set_postfix(
                    {key: f"{value:.3g}" for key, value in record.items() if "_" in key},
                    refresh=False,
                )
                bar.update()
                if on_step is not None and on_step(step):
                    break
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


def _between(M: Float[Tensor, "f 2 2"], S: Float[Tensor, "f 2 2"]) -> Float[Tensor, "f 2 2"]:
    """M S M of positive semidefinite S, and as positive itself: by a root of S. What M takes away
    leaves no rounding behind."""
    values, vectors = torch.linalg.eigh(S)
    root = M @ (vectors * values.clamp(min=0).sqrt()[:, None, :])
    return root @ root.mT
