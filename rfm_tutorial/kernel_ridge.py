"""Kernel ridge regression with a feature matrix: one solve, and predictions from it."""

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from rfm_tutorial.checks import check_fitted, check_matrix, check_memory, check_real, shown
from rfm_tutorial.diagnosis import why_singular
from rfm_tutorial.kernels import Kernel, check_feature_matrix
from rfm_tutorial.linalg import Workspace, own, solve_positive_definite
from rfm_tutorial.precision import in_full_precision


@dataclass(eq=False)
class KernelRidge:
    """Kernel ridge regression f(x) = Σ_i α_i k(x, z_i; M), with (K + ridge·I) α = Y.

    A fitted model holds copies: neither gradients nor later changes of X, Y or M reach it.

    Parameters
    ----------
    kernel : a kernel object, for example `GaussianKernel(2.5)`
    ridge : ≥ 0, added to the diagonal of K; 0 interpolates

    Attributes (after `fit`)
    ------------------------
    centers_ : (n, d), the training inputs
    dual_coef_ : (n, c), α
    feature_matrix_ : (d, d) or None for the identity

    Examples
    --------
    >>> from rfm_tutorial import GaussianKernel
    >>> X = torch.tensor([[0.0], [1.0]])
    >>> KernelRidge(GaussianKernel(1.0)).fit(X, X).predict(X)
    tensor([[0.],
            [1.]])
    """

    kernel: Kernel
    ridge: float = 0.0

    centers_: Tensor = field(init=False, repr=False)
    dual_coef_: Tensor = field(init=False, repr=False)
    feature_matrix_: Tensor | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_kernel(self.kernel)
        self.ridge = check_real("ridge", self.ridge)

    def fit(
        self,
        X: Float[Tensor, "n d"],
        Y: Float[Tensor, "n c"],
        feature_matrix: Float[Tensor, "d d"] | None = None,
    ) -> "KernelRidge":
        """Solve for the dual coefficients.

        Parameters
        ----------
        X, Y : inputs (n, d) and targets (n, c), same dtype and device
        feature_matrix : symmetric (d, d), PSD for radial kernels; None is the identity

        Raises
        ------
        ValueError
            If an argument has a wrong shape, dtype or device or is not finite.
        SingularKernelError
            If the system has no unique solution; nothing is added to make it solvable.
        """
        check_matrix("X", X)
        check_matrix("Y", Y, rows=X.shape[0], like=X)
        if feature_matrix is not None:
            check_feature_matrix(feature_matrix, X, positive=self.kernel.radial)
        self.kernel.check_fits(X.dtype)
        check_size(X, 2.0 * len(X) ** 2)
        M = None if feature_matrix is None else own(feature_matrix)
        solve(self, own(X), Y, M, Workspace())
        return self

    @in_full_precision
    def predict(self, X: Float[Tensor, "m d"]) -> Float[Tensor, "m c"]:
        """Predictions (m, c). Differentiable in X, not in what the model was fitted to.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X has a wrong width, dtype or device or is not finite, or the predictions are not.
        """
        check_fitted(self, "dual_coef_")
        centers = self.centers_
        check_matrix("X", X, columns=centers.shape[1], like=centers, like_name="the training data")
        # As many rows at once as there are centres: memory stays that of the training matrix.
        blocks = [
            self.kernel.values(rows, centers, self.feature_matrix_) @ self.dual_coef_
            for rows in X.split(max(len(centers), 1024))
        ]
        scores = blocks[0] if len(blocks) == 1 else torch.cat(blocks)
        if not scores.is_meta and not bool(torch.isfinite(scores).all()):
            raise ValueError(
                f"predictions must be finite, got NaN or infinity: X is too large for {X.dtype}; "
                f"divide the inputs by a constant before fit"
            )
        return scores

    @torch.no_grad()
    @in_full_precision
    def leave_one_out(self) -> Float[Tensor, "n c"]:
        """What each row's target is off by, y_i − f(x_i), for the f that is fitted without row i.

        Exactly the residuals of n fits to n − 1 rows, for a factorisation and the inverse of the
        factor. Kernel, ridge and feature matrix are this model's in all of them.

        With A = K + ridge·I, the model solves Aα = Y. Let f be the fit without row i. If y_i were
        f(x_i), row i would add nothing: f would solve the whole system, with the coefficient 0 for
        row i. So the two right-hand sides differ by y_i − f(x_i) in entry i, and the solutions by
        that number times column i of A⁻¹. Entry i of the solutions is α_i and 0:

            α_i − 0 = (A⁻¹)_ii (y_i − f(x_i))

        The features of an `RFM` have been learned from all rows, row i among them. That is not
        taken back here: from step 1 on, the residuals are smaller than those of new rows.

        Returns
        -------
        The residuals, (n, c), in the units of the targets.

        Raises
        ------
        NotFittedError
            Before `fit`.

        Source: the predicted residuals of D. M. Allen, Technometrics 16 (1974); for kernels,
        equation 5.12 of Rasmussen and Williams, Gaussian Processes for Machine Learning (2006).

        Examples
        --------
        >>> from rfm_tutorial import GaussianKernel
        >>> X = torch.tensor([[0.0], [1.0], [2.0]])
        >>> KernelRidge(GaussianKernel(0.01)).fit(X, X).leave_one_out()  # too far apart to help
        tensor([[0.],
                [1.],
                [2.]])
        """
        check_fitted(self, "dual_coef_")
        X = self.centers_
        check_size(X, 4.0 * len(X) ** 2)
        A = self.kernel.values(X, X, self.feature_matrix_)
        A.diagonal().add_(self.ridge)
        # A = LLᵀ once more: `fit` has not kept L, and would have refused a singular A.
        L = torch.linalg.cholesky(A)
        # A⁻¹ = L⁻ᵀL⁻¹ has on its diagonal the squared columns of L⁻¹.
        inverse = torch.linalg.solve_triangular(
            L, torch.eye(len(X), dtype=X.dtype, device=X.device), upper=False
        )
        return self.dual_coef_ / inverse.square_().sum(0)[:, None]


# Normal tensors even in inference mode, which forbids to differentiate predictions later.
@torch.inference_mode(False)
@torch.no_grad()
@in_full_precision
def solve(
    model: KernelRidge,
    X: Tensor,
    Y: Tensor,
    M: Tensor | None,
    work: Workspace,
    name: str = "the kernel matrix",
    share: float = math.nan,
) -> Float[Tensor, "n n"]:
    """Fit in place and give back the kernel matrix, which lies in the workspace.

    `name` and `share`, what centering left of the gradients behind M, are for the error.
    """
    n, kernel, ridge = len(X), model.kernel, model.ridge
    values = kernel.values(X, X, M, out=work.empty("kernel", n, n, like=X))
    model.dual_coef_ = solve_positive_definite(
        values,
        Y,
        ridge,
        work,
        name,
        lambda row: why_singular(kernel, X, M, values, ridge, row, share),
    )
    model.centers_, model.feature_matrix_ = X, M
    return values


def check_kernel(kernel: Kernel) -> None:
    """A kernel object, not its class and not its name."""
    if not isinstance(kernel, Kernel):
        raise ValueError(
            f"kernel must be a kernel object such as GaussianKernel(2.5), got {shown(kernel)}"
        )


def check_size(X: Tensor, numbers: float) -> None:
    """Kernel matrix and factor, and in the loop four feature matrices, have to fit in memory."""
    if X.device.type == "cpu":
        n, d = X.shape
        check_memory(
            f"fitting {n} rows of {d} inputs", numbers * X.element_size(), "take a part of them"
        )
