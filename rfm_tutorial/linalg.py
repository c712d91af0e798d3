"""The dense linear algebra that everything rests on: one solve, one matrix power, buffers."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from rfm_tutorial.checks import check_real, check_symmetric
from rfm_tutorial.precision import in_full_precision


class SingularKernelError(torch.linalg.LinAlgError):  # pyright: ignore[reportPrivateImportUsage]
    """The kernel matrix has no unique solution at this precision. Nothing was added to it."""


PIVOT_ROUNDINGS = 50
"""How many times eps a Cholesky pivot must be, in parts of its diagonal entry. Measured: that of a
duplicated row comes out below 9, that of a run which still interpolates to a few digits above."""


def own(tensor: Tensor) -> Tensor:
    """The numbers of a tensor in memory of their own: row-major, aligned, without a history.

    What a model holds is made by this. Its last bits then do not depend on how the numbers lay in
    the memory that they came from, and nobody who writes there changes the model.
    """
    return tensor.detach().clone(memory_format=torch.contiguous_format)


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


@in_full_precision
def solve_positive_definite(
    A: Float[Tensor, "n n"],
    B: Float[Tensor, "n c"],
    ridge: float = 0.0,
    workspace: Workspace | None = None,
    name: str = "the kernel matrix",
    explain: Callable[[int], str] | None = None,
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
    name : of A, in errors
    explain : called with the row at which a singular system failed; says why, and what to do

    Raises
    ------
    SingularKernelError
        If the factorisation fails or meets a pivot that is zero to working precision.
    ValueError
        If A is not finite, or Z would not be.

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
        row, found = _failed_pivot(factor, diagonal + ridge, int(info))
        if found:
            _refuse_overflow(name, A, diagonal + ridge)
            raise SingularKernelError(
                f"{name} ({n} rows, {A.dtype}) is singular: the Cholesky pivot of row {row} is "
                f"{found}. {(explain or _any_cause)(row)}"
            )
    # Column by column, as LAPACK leaves it, the solution would take another path through later
    # products than the same numbers read from a file.
    Z = own(torch.cholesky_solve(B, factor))
    if not A.is_meta and not bool(torch.isfinite(Z).all()):
        raise ValueError(
            f"the solution of {name} must be finite, got NaN or infinity in it: the targets are "
            f"too large for {A.dtype}; divide them by a constant"
        )
    return Z


def _failed_pivot(factor: Tensor, diagonal: Tensor, info: int) -> tuple[int, str]:
    """The row where the factorisation met no positive pivot, and what was found; "" if nowhere."""
    # Pivots after a failed one are not defined, so only a clean factorisation has them looked at.
    if info:
        return info - 1, "not positive"
    pivots = factor.diagonal() ** 2 / diagonal
    row = int(pivots.argmin())
    smallest = float(pivots[row])
    enough = smallest > PIVOT_ROUNDINGS * torch.finfo(factor.dtype).eps
    return row, "" if enough else f"{smallest:.1e} of its diagonal entry"


def _refuse_overflow(name: str, A: Tensor, diagonal: Tensor) -> None:
    if not bool(torch.isfinite(A.tril()).all()):
        raise ValueError(
            f"{name} must be finite, got NaN or infinity in it: the inputs or the feature matrix "
            f"are too large for {A.dtype}; divide them by a constant"
        )
    if not bool(torch.isfinite(diagonal).all()):
        raise ValueError(f"ridge must be finite in {A.dtype}, got one that overflows; take less")


def _any_cause(row: int) -> str:
    return "Two rows are duplicates, or all of them are nearly the same"


@in_full_precision
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
        If the matrix is not symmetric or not PSD, the power not positive or its result not finite,
        or rounding negative.

    Examples
    --------
    >>> psd_power(torch.diag(torch.tensor([4.0, 9.0])), 0.5)
    tensor([[2., 0.],
            [0., 3.]])
    """
    check_symmetric("matrix", matrix)
    check_real("power", power, positive=True)
    return blockwise_power(matrix, power, rounding)


@in_full_precision
def blockwise_power(
    matrix: Float[Tensor, "*stack d d"], power: float, rounding: float | None = None
) -> Float[Tensor, "*stack d d"]:
    """`psd_power` without its checks of the arguments. A stack of matrices counts as one matrix
    that has them as blocks on its diagonal."""
    values, vectors = torch.linalg.eigh(matrix)
    highest = 0.0
    if not matrix.is_meta:
        usual = 100 * values.numel() * torch.finfo(matrix.dtype).eps
        rounding = check_real("rounding", usual if rounding is None else rounding)
        lowest, highest = (float(end) for end in torch.aminmax(values.detach()))
        # Numbers below `tiny` have no digits left: what is negative among them is rounding, too.
        tiny = values.numel() * torch.finfo(matrix.dtype).tiny
        if lowest < -rounding * max(abs(lowest), abs(highest)) - tiny:
            raise ValueError(
                f"matrix must be positive semidefinite, got eigenvalues from {lowest:.3g} to "
                f"{highest:.3g}; a negative one has no real power {power:g}"
            )
    root = (vectors * values.clamp(min=0)[..., None, :] ** power) @ vectors.mT
    if not matrix.is_meta and not bool(torch.isfinite(root.detach()).all()):
        raise ValueError(
            f"power must leave numbers that are finite in {matrix.dtype}, got {power:g} for "
            f"eigenvalues up to {highest:.3g}; take a smaller one, or divide the matrix"
        )
    return root
