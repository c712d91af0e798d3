"""Why a fit came to nothing. Looked for only after it did: a fit that works pays for none of this.

A kernel system is singular for one of a few reasons: rows that are the same, a feature matrix that
is zero or hides what rows differ by, a length scale too large for the rows, a kernel with fewer
features than rows. In the loop there is one more. Where the predictor is nearly linear, its
gradients are nearly their mean, and what is left after the mean is taken away says nothing: the
features shrink from step to step, and the predictor becomes a constant. Tried on 128 such runs,
linear, bent and noisy, of 2, 5 and 20 inputs: with `center_gradients=False` and a ridge of 0.001 or
more 123 keep their features; with a Laplace kernel of the same bandwidth all of them do.
"""

import math
import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from rfm_tutorial.kernels import Kernel, QuadraticKernel

NEARLY_LINEAR = 0.01
"""Share of the gradients' squares that centering leaves, below which the predictor is called nearly
linear. Modular arithmetic has 0.2 and more as long as there is anything to learn."""


def why_singular(
    kernel: Kernel,
    X: Float[Tensor, "n d"],
    M: Float[Tensor, "d d"] | None,
    values: Float[Tensor, "n n"],
    ridge: float,
    row: int,
    share: float = math.nan,
) -> str:
    """What made K + ridge·I singular, and what to do about it, in two sentences.

    Parameters
    ----------
    kernel, X, M, values : K = k(X, X; M) and what it was made of
    ridge : what was added to its diagonal
    row : where the factorisation failed
    share : of the gradients behind M, what centering left; nan if nothing was centred
    """
    n, size = len(X), float(values.diagonal().max())
    enough = _enough_ridge(values)
    remedy = f"ask for a ridge, for example ridge={enough:.0e}"
    if ridge > 0:
        larger = max(enough, 10 * ridge)
        remedy = f"ask for a ridge larger than {ridge:g}, for example ridge={larger:.0e}"
    eigenvalues = torch.linalg.eigvalsh(X.new_ones(1, 1) if M is None else M)
    lowest, largest = float(eigenvalues[0]), float(eigenvalues[-1])
    if not kernel.radial and lowest < -1e-6 * max(largest, -lowest):
        return (
            f"The feature matrix has negative eigenvalues, down to {lowest:.1e}, and with them "
            f"the kernel is not positive. Take a positive one, or {remedy}"
        )
    if not size > 0:
        return (
            f"Every kernel value is 0 in {X.dtype}: the inputs, the feature matrix or the scale "
            f"are zero or too small. Multiply them by a constant"
        )
    if ridge >= enough:
        norms = X.norm(dim=1)
        return (
            f"The ridge makes up for rows that are the same: the kernel values must be inaccurate. "
            f"The rows have lengths from {float(norms.min()):.1e} to {float(norms.max()):.1e}; "
            f"drop outliers, or {remedy}"
        )
    if (pair := _equal_rows(X, row)) is not None:
        rows = f"{pair[0]} and {pair[1]}"
        return f"Training rows {rows} are duplicates. Drop one of them, or {remedy}"
    if share < NEARLY_LINEAR:
        return f"{_nearly_linear(share)} Take {_keep_features(kernel)}"
    if not float(values[row, row]) > 0:
        return f"Row {row} has the kernel value 0 with itself. Drop it, or {remedy}"
    # Squared distances in the kernel's feature space.
    apart = (values.diagonal() - 2 * values[row] + values[row, row]) / size
    differ = f"kernel values differ by {float(values.max() - values.min()):.1e} at most"
    if M is not None and kernel.radial and _vanished(kernel, X, row, apart):
        return (
            f"The feature matrix has vanished: its largest entry is {float(M.abs().max()):.1e}, "
            f"and {differ}. Stop a step earlier, take a larger matrix, or {remedy}"
        )
    if M is not None:
        apart[row] = math.inf
        twin = int(apart.argmin())
        if float(apart[twin]) <= 100 * torch.finfo(X.dtype).eps:
            return (
                f"The feature matrix hides what rows {twin} and {row} differ by. Drop one of them, "
                f"or {remedy}"
            )
        kept = int((eigenvalues > 1e-6 * largest).sum())
        if kernel.radial and kept < len(M):
            return (
                f"The feature matrix leaves {kept} of {len(M)} directions, in which {n} rows hide "
                f"what they differ by. Take a smaller bandwidth, or {remedy}"
            )
    if isinstance(kernel, QuadraticKernel):
        inputs = int(torch.linalg.matrix_rank(X if M is None else X @ M))
        features = inputs * (inputs + 1) // 2
        if n > features:
            return (
                f"A quadratic kernel has {features} features of {inputs} independent inputs"
                f"{'' if M is None else ', which the feature matrix leaves'}, too few to fit {n} "
                f"rows. Take fewer rows, a radial kernel, or {remedy}"
            )
    if not kernel.radial:
        return f"The kernel has too few features to tell {n} rows apart. Take fewer, or {remedy}"
    return (
        f"The bandwidth is too large for {n} such rows: {differ}. "
        f"Take {_fitting_bandwidth(kernel, X, M, 'a smaller')}, or {remedy}"
    )


def why_without_gradient(
    kernel: Kernel, X: Float[Tensor, "n d"], values: Float[Tensor, "n n"]
) -> str:
    """What to say where a predictor that is not zero has gradients that are."""
    if kernel.radial and bool((values.sum(1) == values.diagonal()).all()):
        return (
            f"every kernel value between different rows is 0: the bandwidth is too small. "
            f"Take {_fitting_bandwidth(kernel, X, None, 'a larger')}"
        )
    return (
        f"its gradients are 0 in {X.dtype}: the inputs or the targets are too small, or the ridge "
        f"is too large"
    )


def why_orbits_singular(
    kernel: Kernel,
    n: int,
    values: tuple[float, float],
    eigenvalues: Float[Tensor, " d"],
    dtype: torch.dtype,
    ridge: float,
    share: float,
) -> str:
    """`why_singular` for training cells that are whole diagonals of a table, with less to go by.

    Parameters
    ----------
    n : how many training cells there are
    values : the smallest and the largest kernel value between them
    eigenvalues : of the feature matrix
    kernel, dtype, ridge, share : as there
    """
    low, high = values
    enough = (high or 1.0) * (1e-6 if dtype == torch.float64 else 1e-3)
    larger = max(enough, 10 * ridge)
    remedy = f"ask for a ridge, for example ridge={enough:.0e}"
    if ridge > 0:
        remedy = f"ask for a ridge larger than {ridge:g}, for example ridge={larger:.0e}"
    if not high > 0:
        return f"Every kernel value is 0 in {dtype}: the feature matrix is zero or too small"
    if share < NEARLY_LINEAR:
        return f"{_nearly_linear(share)} Take {_keep_features(kernel)}"
    kept = int((eigenvalues > 1e-6 * eigenvalues.max()).sum())
    if isinstance(kernel, QuadraticKernel) and n > kept * (kept + 1) // 2:
        return (
            f"A quadratic kernel has {kept * (kept + 1) // 2} features of {kept} independent "
            f"inputs, too few to fit {n} cells. Take fewer diagonals, a radial kernel, or {remedy}"
        )
    if kernel.radial and kept < len(eigenvalues):
        return (
            f"The feature matrix leaves {kept} of {len(eigenvalues)} directions, in which {n} "
            f"cells hide what they differ by. Take a smaller bandwidth, or {remedy}"
        )
    if not kernel.radial:
        return f"The kernel has too few features to tell {n} cells apart. Take fewer, or {remedy}"
    return (
        f"The bandwidth is too large for {n} cells: kernel values differ by {high - low:.1e} at "
        f"most. Take a smaller bandwidth, or {remedy}"
    )


def target_variance(Y: Float[Tensor, "n c"]) -> float:
    """The mean square of the targets, less the mean of each output."""
    return 0.0 if Y.is_meta else float((Y - Y.mean(0)).square().mean())


def ridge_loss(dual_coef: Float[Tensor, "n c"], ridge: float) -> float:
    """The mean squared error on the training data: what a ridge leaves of the targets is
    ridge · α."""
    return 0.0 if ridge == 0 or dual_coef.is_meta else float((ridge * dual_coef).square().mean())


class CenteringWatch:
    """Warns once if centering takes the features of a nearly linear predictor away.

    Without a ridge the system becomes singular, which `why_singular` explains. With one the loop
    goes on with features that vanish. The sign: a predictor that fits and whose gradients are
    nearly their mean, and later one that does not fit any more. A ridge too large for a problem
    that is not linear ends in the same way, but never fits with such gradients before.
    """

    def __init__(self, kernel: Kernel, variance: float, ridge: float) -> None:
        self.kernel, self.ridge, self.variance = kernel, ridge, variance
        self.best = self.error = math.inf
        self.share = math.nan
        self.warned = False

    def fitted(self, loss: float, iteration: int) -> None:
        """After each solve: the mean squared error on the training data."""
        if self.ridge == 0 or self.variance == 0:
            return
        self.error = loss / self.variance
        lost = self.error > max(4 * self.best, 0.01)
        self.best = min(self.best, self.error)
        if lost and not math.isnan(self.share) and not self.warned:
            self.warned = True
            warnings.warn(
                f"the features have vanished at step {iteration}, and the training error rises. "
                f"{_nearly_linear(self.share)} Stop earlier, or take {_keep_features(self.kernel)}",
                RuntimeWarning,
                stacklevel=4,
            )

    def centered(self, share: float) -> None:
        """After each AGOP: what centering has left of the gradients."""
        if share < NEARLY_LINEAR and self.error < 0.1:
            self.share = share


def _nearly_linear(share: float) -> str:
    return (
        f"The predictor before is nearly linear: of the squares of its gradients, {share:.0e} is "
        f"left once their mean is taken away."
    )


def _keep_features(kernel: Kernel) -> str:
    laplace = f"LaplaceKernel({getattr(kernel, 'bandwidth', 2.5):g})"
    return f"center_gradients=False with a ridge such as ridge=0.001, or {laplace}"


def _enough_ridge(values: Tensor) -> float:
    """What makes up for equal rows, in proportion to the kernel values."""
    size = float(values.diagonal().abs().max()) or 1.0
    return size * (1e-6 if values.dtype == torch.float64 else 1e-3)


def _equal_rows(X: Tensor, row: int) -> tuple[int, int] | None:
    """Two equal rows, the failed one and another if they are."""
    same = (X[row] == X).all(1).nonzero()[:, 0]
    if len(same) < 2:
        _, kind, counts = torch.unique(X, dim=0, return_inverse=True, return_counts=True)
        if len(counts) == len(X):
            return None
        same = (counts[kind] > 1).nonzero()[:, 0]
        same = (kind == kind[same[0]]).nonzero()[:, 0]
    other = int(same[0]) if int(same[0]) != row else int(same[1])
    last = row if row in same.tolist() else int(same[1])
    return min(other, last), max(other, last)


def _vanished(kernel: Kernel, X: Tensor, row: int, apart: Tensor) -> bool:
    """Whether rows that the kernel tells apart by themselves all look the same with M."""
    plain = kernel.values(X[row : row + 1], X, None)[0]
    return float(apart.max()) < 1e-3 and float(1 - plain.min()) > 0.01


def _fitting_bandwidth(kernel: Kernel, X: Tensor, M: Tensor | None, other: str) -> str:
    """One that leaves kernel values well between 0 and 1: how far nearest rows are apart, in the
    median over a few hundred of them. In the loop it would have to fit other steps, too."""
    if not hasattr(kernel, "bandwidth"):
        return f"{other} length scale"
    some = X[:: -(-len(X) // 300)]
    some = some - some.median(0).values
    products = some @ some.T
    squares = products.diagonal()
    squared = squares - 2 * products + squares[:, None]
    squared.fill_diagonal_(math.inf)
    nearest = float(squared.min(1).values.clamp(min=0).sqrt().median())
    plain = M is None or torch.equal(M, torch.eye(len(M), dtype=M.dtype, device=M.device))
    if not plain or not 0 < nearest < math.inf:
        return f"{other} bandwidth"
    return f"bandwidth={nearest:.1g}"
