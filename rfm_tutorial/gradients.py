"""From a predictor to its features: the Average Gradient Outer Product,

    G = (1/n) Σ_x J(x)ᵀ J(x),        J(x) the (c, d) Jacobian of the predictor at x.

`agop` takes any differentiable torch function. `predictor_agop` takes a kernel machine and uses
the shape of its gradients, which `rfm_tutorial.gradient_sums` adds up. `predictor_fact` is
another law for the features, from the same gradients.

Conventions that differ between published RFM programs:

                       here                       elsewhere
    AGOP               mean over rows             divided by its trace or largest entry
    scale of M         learned with the rest      fixed, so that the bandwidth means the same at
                                                  every step: `normalization` of `RFM`
    scale of Y         as given; `estimators`     as given: the scale of M follows that of Y
                       divide by the deviation
    update             M ← AGOP^½                 M ← AGOP
    centering          each output's gradient     none, or one mean pooled over the outputs, or
                       minus its mean over all    one per batch (the answer then depends on the
                       rows                       batch size)
    own centre         exactly zero (Laplace)     a small constant added to the distance
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from rfm_tutorial.checks import check_fitted, check_flag, check_integer, check_matrix, shown
from rfm_tutorial.gradient_sums import (
    cancelled,
    chunk_rows,
    kernel_agop,
    reduced_gradients,
)
from rfm_tutorial.kernels import Kernel
from rfm_tutorial.linalg import Workspace, own
from rfm_tutorial.precision import in_full_precision
from rfm_tutorial.shared_ones import find_groups


@runtime_checkable
class KernelPredictor(Protocol):
    """What `predictor_agop` needs of a kernel machine; a fitted `KernelRidge` or `RFM` has it."""

    @property
    def kernel(self) -> Kernel: ...
    @property
    def centers_(self) -> Tensor: ...
    @property
    def feature_matrix_(self) -> Tensor | None: ...
    @property
    def dual_coef_(self) -> Tensor: ...


@in_full_precision
def predictor_agop(
    predictor: KernelPredictor,
    X: Float[Tensor, "m d"] | None = None,
    center: bool = True,
    chunk_size: int | None = None,
) -> Float[Tensor, "d d"]:
    """AGOP of a fitted kernel machine, exactly, without an (m, c, d) tensor.

    Parameters
    ----------
    predictor : a fitted `KernelRidge` or `RFM`, or the `predictor` of an `RFMStep`
    X : rows to average over, (m, d); the predictor's own centres if None
    center : subtract each output's mean gradient over all m rows first
    chunk_size : rows at a time; changes speed and memory, never the answer

    Returns
    -------
    The AGOP, symmetric PSD (d, d). Memory stays O(n²) for n centres.

    Raises
    ------
    NotFittedError
        Before `fit`.
    TypeError
        If predictor is no kernel machine.
    ValueError
        If X does not fit the predictor, or chunk_size is not a positive integer.

    Source: the AGOP of arXiv 2212.13881; the three forms are this module's own, derived from the
    chain rule.

    Examples
    --------
    >>> from rfm_tutorial import GaussianKernel, KernelRidge
    >>> X = torch.eye(3)
    >>> predictor_agop(KernelRidge(GaussianKernel(1.0)).fit(X, X)).shape
    torch.Size([3, 3])
    """
    X = _check_rows(predictor, X, center, chunk_size)
    return kernel_agop(
        predictor.kernel,
        predictor.centers_,
        predictor.dual_coef_,
        predictor.feature_matrix_,
        X,
        center=center,
        chunk_size=chunk_size,
        groups=find_groups(predictor.centers_),
    )


@torch.no_grad()
@in_full_precision
def per_output_agop(
    predictor: KernelPredictor,
    X: Float[Tensor, "m d"] | None = None,
    center: bool = True,
    chunk_size: int | None = None,
) -> Float[Tensor, "c d d"]:
    """One AGOP for each output; their sum is `predictor_agop`.

    Parameters, errors and conventions are those of `predictor_agop`; the result is (c, d, d).

    Examples
    --------
    >>> from rfm_tutorial import GaussianKernel, KernelRidge
    >>> X = torch.eye(3, dtype=torch.float64)
    >>> model = KernelRidge(GaussianKernel(1.0)).fit(X, X)
    >>> bool(torch.allclose(per_output_agop(model).sum(0), predictor_agop(model)))
    True
    """
    X = _check_rows(predictor, X, center, chunk_size)
    kernel, Z, M = predictor.kernel, predictor.centers_, predictor.feature_matrix_
    groups = find_groups(Z)
    alpha = predictor.dual_coef_ * kernel.slope_scale
    (m, d), c = X.shape, alpha.shape[1]
    work = Workspace()

    def summed(shift: Tensor | None = None) -> tuple[Tensor, Tensor]:
        total, mean = X.new_zeros(c, d, d), X.new_zeros(d, c)
        for A in reduced_gradients(kernel, Z, alpha, M, X, None, groups, chunk_size, work, shift):
            per_output = A.transpose(0, 1)
            total += per_output @ per_output.transpose(1, 2)
            mean += A.sum(2)
        return total, mean

    total, mean = summed()
    if center:
        centered = total - mean.T[:, :, None] * mean.T[:, None, :] / m
        if cancelled(centered, total):
            centered, _ = summed(mean / m)
        total = centered
    total /= m
    return total if M is None else M @ total @ M


@torch.no_grad()
@in_full_precision
def predictor_fact(predictor: KernelPredictor) -> Float[Tensor, "d d"]:
    """F = (1/n) Σ_i J(x_i)ᵀ α_i x_iᵀ over the centres: what a kernel machine has in place of
    `fact_matrix`, which needs a loss that is not zero.

    Where a network with weight decay λ has come to rest, its features are
    −(1/nλ) Σ_i (∂ℓ_i/∂x_i) x_iᵀ for the loss ℓ_i of row i. A kernel machine with ridge nλ leaves
    residuals y_i − f(x_i) = nλ α_i, so that −∂ℓ_i/∂x_i = nλ J(x_i)ᵀ α_i for half the squared error,
    and the ridge drops out: F has a value without any. With the weights w of
    `Kernel.derivative_weights` and W_ij = w_ij α_iᵀα_j,

        F = M Xᵀ W X / n                      kernels of xᵀMz
        F = −M Xᵀ (diag(W1) − W) X / n        kernels of ‖x − z‖_M: a graph Laplacian of W

    The feature matrix of FACT-RFM is (F Fᵀ)^½, up to its scale.

    Parameters
    ----------
    predictor : a fitted `KernelRidge` or `RFM`, or the `predictor` of an `RFMStep`

    Returns
    -------
    F (d, d); not symmetric where M and the other factor do not commute.

    Raises
    ------
    NotFittedError
        Before `fit`.
    TypeError
        If predictor is no kernel machine.

    Source: the theorem and FACT-RFM of arXiv 2507.05644; the two forms are this module's own.

    Examples
    --------
    >>> from rfm_tutorial import GaussianKernel, KernelRidge
    >>> X = torch.eye(3, dtype=torch.float64)
    >>> F = predictor_fact(KernelRidge(GaussianKernel(1.0)).fit(X, X))
    >>> bool((F.diagonal() > 0).all())
    True
    """
    X = _check_rows(predictor, None, center=False, chunk_size=None)
    M, alpha = predictor.feature_matrix_, predictor.dual_coef_
    weights = predictor.kernel.derivative_weights(X, X, M) * (alpha @ alpha.T)
    if predictor.kernel.radial:
        X = X - X.mean(0)  # the rows of the Laplacian add up to 0: only digits are gained
        weights.diagonal().sub_(weights.sum(1))
    inner = X.T @ weights @ X
    return (inner if M is None else M @ inner) / len(X)


@in_full_precision
def agop(
    function: Callable[[Tensor], Tensor],
    X: Float[Tensor, "n d"],
    center: bool = False,
    chunk_size: int | None = None,
) -> Float[Tensor, "d d"]:
    """AGOP of any differentiable torch function or module, by automatic differentiation.

    Parameters
    ----------
    function : maps (n, d) to (n, c), each row by itself (no batch statistics)
    X : rows to average over, (n, d)
    center : subtract each output's mean gradient over all n rows first
    chunk_size : rows differentiated at a time; changes speed and memory, never the answer

    Returns
    -------
    The AGOP, symmetric PSD (d, d). Where n rows of (c, d) Jacobians do not fit, chunks do.

    Raises
    ------
    ValueError
        If X is not a finite 2-d float tensor, or the function does not give one row per row or
        has gradients that are not finite.

    Examples
    --------
    >>> agop(lambda x: x @ torch.tensor([[3.0], [4.0]]), torch.randn(5, 2))
    tensor([[ 9., 12.],
            [12., 16.]])
    """
    check_matrix("X", X)
    check_flag("center", center)
    _check_chunk_size(chunk_size)
    if not callable(function):
        hint = "; its .predict is one" if hasattr(function, "predict") else ""
        raise ValueError(f"function must be a function or a module, got {shown(function)}{hint}")
    n, d = X.shape
    with torch.no_grad():
        first = function(own(X[:1]))
    if not isinstance(first, Tensor):
        raise ValueError(f"function must return one tensor, got {type(first).__name__}")
    if first.ndim != 2 or first.shape[0] != 1 or first.shape[1] == 0:
        raise ValueError(
            f"function must map (n, d) to (n, c), got {tuple(first.shape)} for an input of shape "
            f"{(1, d)}; for a single output, return a column"
        )
    if not first.is_floating_point():
        raise ValueError(f"function must return floats, which have gradients, got {first.dtype}")
    if first.device != X.device:
        raise ValueError(f"function must stay on {X.device} like X, got one on {first.device}")
    c = first.shape[1]
    rows = chunk_rows(X, 4 * c * d, chunk_size)

    def total_of_rows(rows: Tensor) -> Tensor:
        scores = function(rows)
        if scores.shape != (len(rows), c):
            raise ValueError(
                f"function must map (n, d) to (n, c), got {tuple(scores.shape)} for an input of "
                f"shape {tuple(rows.shape)} and {(1, c)} for a single row"
            )
        return scores.sum(0)

    # Rows do not see each other, so the Jacobian of the sum over rows holds each row's own.
    jacobian = torch.func.jacrev(total_of_rows)

    def summed(shift: Tensor | None = None) -> tuple[Tensor, Tensor]:
        total, mean = X.new_zeros(d, d), X.new_zeros(c, d)
        for start in range(0, n, rows):
            J = jacobian(X[start : start + rows].detach()).detach()
            if shift is not None:
                J = J - shift[:, None]
            flat = J.reshape(-1, d)
            total += flat.T @ flat
            mean += J.sum(1)
        return total, mean

    total, mean = summed()
    if center:
        centered = total - mean.T @ mean / n
        if cancelled(centered, total):
            centered, _ = summed(mean / n)
        total = centered
    if not X.is_meta and not bool(torch.isfinite(total).all()):
        raise ValueError(
            "function must have finite gradients at X, got NaN or infinity: it divides by zero "
            "there, or overflows"
        )
    return (total + total.T) / (2 * n)


def _check_chunk_size(chunk_size: int | None) -> None:
    if chunk_size is not None:
        check_integer("chunk_size", chunk_size, at_least=1)


def _check_rows(
    predictor: KernelPredictor, X: Tensor | None, center: bool, chunk_size: int | None
) -> Float[Tensor, "m d"]:
    if not isinstance(getattr(predictor, "kernel", None), Kernel):
        hint = "; it has one as .predictor" if hasattr(predictor, "predictor") else ""
        raise TypeError(
            f"predictor must be a fitted KernelRidge or RFM, got {type(predictor).__name__}{hint}"
        )
    check_fitted(predictor, "dual_coef_")
    check_flag("center", center)
    _check_chunk_size(chunk_size)
    centers = predictor.centers_
    if X is None:
        return centers
    return check_matrix("X", X, columns=centers.shape[1], like=centers, like_name="the centres")
