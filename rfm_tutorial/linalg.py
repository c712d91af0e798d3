"""The dense linear algebra that everything rests on: one solve, one matrix power, buffers."""

import torch
from jaxtyping import Float
from torch import Tensor

from rfm_tutorial.checks import check_real, check_symmetric


class SingularKernelError(torch.linalg.LinAlgError):  # pyright: ignore[reportPrivateImportUsage]
    """The kernel matrix has no unique solution at this precision. Nothing was added to it."""


def default_device() -> torch.device:
    """The first GPU if torch sees one, otherwise the CPU. For notebooks; the package never asks."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Workspace:
    """Named buffers that a loop reuses, so that iteration 2 … T allocate nothing large.

    A buffer grows when a larger one is asked for and is otherwise handed out again, with
    whatever it held. Asking again for a name gives the same memory: the earlier view is void.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def empty(self, name: str, *shape: int, like: Tensor) -> Tensor:
        """An uninitialised tensor of this shape with the dtype and device of `like`."""
        size = 1
        for length in shape:
            size *= length
        held = self._buffers.get(name)
        if (
            held is None
            or held.numel() < size
            or held.dtype != like.dtype
            or held.device != like.device
        ):
            held = self._buffers[name] = like.new_empty(size)
        return held[:size].view(shape)


def solve_positive_definite(
    A: Float[Tensor, "n n"],
    B: Float[Tensor, "n c"],
    ridge: float = 0.0,
    workspace: Workspace | None = None,
) -> Float[Tensor, "n c"]:
    """Solve (A + ridge·I) Z = B by Cholesky, for a symmetric positive definite A + ridge·I.

    A is left as it came. The only regularisation is the `ridge` that the caller names: a
    matrix that is singular to working precision is an error, never a reason to add a jitter.

    Singular here means that a pivot of the factorisation is not above rounding: for a row that
    repeats another one, the exact pivot is 0.

    Parameters
    ----------
    A : symmetric, (n, n); only its lower triangle is read
    B : right-hand sides, (n, c)
    ridge : added to the diagonal, ≥ 0
    workspace : buffers to reuse between calls

    Raises
    ------
    SingularKernelError
        If the factorisation fails or meets a pivot that is zero to working precision.
    ValueError
        If A is not finite.

    Examples
    --------
    >>> A = torch.tensor([[2.0, 0.0], [0.0, 4.0]])
    >>> solve_positive_definite(A, torch.eye(2))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    work = workspace or Workspace()
    n = A.shape[0]
    diagonal = A.diagonal().clone()
    A.diagonal().add_(ridge)
    # Transposed, because LAPACK works by columns: anything else is copied twice.
    factor = work.empty("cholesky", n, n, like=A).T
    info = torch.empty((), dtype=torch.int32, device=A.device)
    torch.linalg.cholesky_ex(A, out=(factor, info))
    A.diagonal().copy_(diagonal)
    if not A.is_meta:
        _refuse_singular(A, factor, diagonal + ridge, int(info))
    return torch.cholesky_solve(B, factor)


def _refuse_singular(A: Tensor, factor: Tensor, diagonal: Tensor, info: int) -> None:
    eps = torch.finfo(factor.dtype).eps
    # Pivots after a failed one are not defined, so only a clean factorisation has them looked at.
    pivots = factor.diagonal() ** 2 / diagonal
    smallest = float("nan") if info else float(pivots.min())
    # Measured: the pivot of a duplicated row comes out below 9 eps, that of a run which still
    # interpolates to a few digits above 50.
    if info == 0 and smallest > 50 * eps:
        return
    if not bool(torch.isfinite(A.tril()).all()):
        raise ValueError(
            f"the kernel matrix must be finite, got NaN or infinity in it: the inputs or the "
            f"feature matrix are too large for {A.dtype}; divide them by a constant"
        )
    row = info - 1 if info else int(pivots.argmin())
    found = "not positive" if info else f"{smallest:.1e} of its diagonal entry"
    raise SingularKernelError(
        f"the kernel matrix ({len(factor)} rows, {factor.dtype}) is singular: the Cholesky pivot "
        f"of row {row} is {found}. Either two training rows look the same to the kernel "
        f"(duplicates, or a feature matrix that hides their difference), or the bandwidth is far "
        f"too large. Drop the duplicates, or ask for a ridge, for example "
        f"ridge={1e-6 if factor.dtype == torch.float64 else 1e-3:g}"
    )


def psd_power(
    matrix: Float[Tensor, "d d"], power: float, rounding: float | None = None
) -> Float[Tensor, "d d"]:
    """The power Gˢ of a symmetric positive semidefinite matrix, through its eigenvalues.

    Eigenvalues that are negative by rounding count as 0. Anything more negative means that the
    matrix is not PSD; then its root is not real, and the answer is an error, not a projection.

    Parameters
    ----------
    matrix : symmetric PSD, (d, d)
    power : exponent s > 0
    rounding : how negative an eigenvalue may be, relative to the largest; None for 100 d eps,
        what a product of matrices leaves behind

    Raises
    ------
    ValueError
        If the matrix is not symmetric or not PSD, the power not positive or rounding negative.

    Examples
    --------
    >>> psd_power(torch.diag(torch.tensor([4.0, 9.0])), 0.5)
    tensor([[2., 0.],
            [0., 3.]])
    """
    check_symmetric("matrix", matrix)
    check_real("power", power, positive=True)
    values, vectors = torch.linalg.eigh(matrix)
    if not matrix.is_meta:
        if rounding is None:
            rounding = 100 * matrix.shape[0] * torch.finfo(matrix.dtype).eps
        check_real("rounding", rounding)
        lowest, highest = values.detach()[[0, -1]].tolist()
        if lowest < -rounding * max(abs(lowest), abs(highest)):
            raise ValueError(
                f"matrix must be positive semidefinite, got eigenvalues from {lowest:.3g} to "
                f"{highest:.3g}; a negative one has no real power {power:g}"
            )
    return (vectors * values.clamp(min=0) ** power) @ vectors.T
