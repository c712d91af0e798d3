"""The theorem: in what sense quadratic-kernel machines with circulant features are the FMA.

There is one machine for each class ℓ, with features M_ℓ of its own (`class_features`), fitted to
the whole table (`fit_quadratic_forms`). What comes out is known in closed form; `theorem_forms`
states it, and what of it is proved and what only observed.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rfm_tutorial.checks import check_choice, check_device, check_dtype, check_integer, check_matrix
from rfm_tutorial.circulant import circulant_matrix
from rfm_tutorial.fourier import fourier_multiplication
from rfm_tutorial.kernels import QuadraticKernel
from rfm_tutorial.operations import OPERATIONS, every_digit
from rfm_tutorial.precision import in_full_precision
from rfm_tutorial.tasks import ModularTask

SUMS = tuple(name for name, operation in OPERATIONS.items() if operation.clock is every_digit)
"""The operations whose clock is the digits themselves: for them the table is one of sums."""


def class_features(
    modulus: int, dtype: torch.dtype = torch.float64, device: torch.device | str | None = None
) -> Float[Tensor, "p d d"]:
    """The theorem's feature matrices, one per class: M_ℓ = [[0, (Cˡ)ᵀ], [Cˡ, 0]], (p, 2p, 2p).

    C is the cyclic shift with ones just above its diagonal, so that e_bᵀ Cˡ e_a = 1 exactly if
    a − b = ℓ. M_ℓ has the eigenvalues +1 and −1, p times each: it is not PSD, and only kernels of
    xᵀMz can use it.

    Raises
    ------
    ValueError
        If modulus is not an integer ≥ 2.

    Source: the theorem of arXiv 2407.20199.

    Examples
    --------
    >>> class_features(3)[1, 3:, :3]
    tensor([[0., 1., 0.],
            [0., 0., 1.],
            [1., 0., 0.]], dtype=torch.float64)
    """
    p = check_integer("modulus", modulus, at_least=2)
    check_dtype(dtype)
    device = check_device(device)
    features = torch.zeros(p, 2 * p, 2 * p, dtype=dtype, device=device)
    for label, row in enumerate(torch.eye(p, dtype=dtype, device=device)):
        block = circulant_matrix(row)
        features[label, p:, :p], features[label, :p, p:] = block, block.T
    return features


@dataclass(frozen=True)
class QuadraticForms:
    """One kernel machine per class, each written as a quadratic form f_ℓ(x) = xᵀ Q_ℓ x."""

    forms: Float[Tensor, "p d d"]
    """The symmetric matrices Q_ℓ."""
    ranks: tuple[int, ...]
    """Rank of each class's kernel matrix. Below the number of rows, there is no unique solution."""

    @in_full_precision
    def predict(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n p"]:
        """f_ℓ(x) for each row and class, (n, p). Any real input is allowed, not only pairs."""
        check_matrix("X", X, columns=self.forms.shape[1], like=self.forms[0], like_name="the forms")
        return ((X @ self.forms) * X).sum(2).T


@in_full_precision
def fit_quadratic_forms(
    X: Float[Tensor, "n d"], Y: Float[Tensor, "n p"], features: Float[Tensor, "p d d"]
) -> QuadraticForms:
    """Fit one quadratic-kernel machine per class, each with features of its own, ridge 0.

    f_ℓ(x) = Σ_i α_i (xᵀ M_ℓ x_i)² is a quadratic form in x, Q_ℓ = M_ℓ (Σ_i α_i x_i x_iᵀ) M_ℓ, and
    is kept as one; the kernel's scale cancels. The kernel matrix is symmetric but indefinite, and
    on a part of the table it is often singular. Where it is, α is the least-squares solution of
    smallest norm, and `ranks` says so. One eigendecomposition per class: meant for p up to 31.

    Parameters
    ----------
    X, Y : inputs (n, 2p) and targets (n, p); column ℓ of Y is what machine ℓ fits
    features : symmetric M_ℓ, (p, 2p, 2p), for example `class_features(p)`

    Raises
    ------
    ValueError
        If shapes or dtypes disagree.

    Examples
    --------
    >>> split = ModularTask("sub", 7).split(0.5)
    >>> fitted = fit_quadratic_forms(split.X_train, split.Y_train, class_features(7))
    >>> fitted.forms.shape, len(split.X_train), min(fitted.ranks)
    (torch.Size([7, 14, 14]), 24, 18)
    """
    check_matrix("X", X)
    check_matrix("Y", Y, rows=len(X), like=X)
    if features.shape != (Y.shape[1], X.shape[1], X.shape[1]):
        raise ValueError(
            f"features must have shape {(Y.shape[1], X.shape[1], X.shape[1])}, one matrix for each "
            f"column of Y, got {tuple(features.shape)}"
        )
    kernel = QuadraticKernel(1.0)
    forms, ranks = [], []
    for M, y in zip(features, Y.T, strict=True):
        values, vectors = torch.linalg.eigh(kernel(X, X, M))
        kept = values.abs() > len(X) * torch.finfo(X.dtype).eps * values.abs().max()
        values, vectors = values[kept], vectors[:, kept]
        alpha = vectors @ ((vectors.T @ y) / values)
        forms.append(M @ ((X.T * alpha) @ X) @ M)
        ranks.append(len(values))
    return QuadraticForms(torch.stack(forms), tuple(ranks))


def fma_forms(modulus: int, operation: str = "sub") -> Float[Tensor, "p d d"]:
    """The FMA as quadratic forms, (p, 2p, 2p): xᵀ Q_ℓ x = uᵀ S_ℓ v for x = u ⊕ v, u and v real.

    S_ℓ is the table of class ℓ, with a one where a∘b = ℓ. In Fourier space
    uᵀ S_ℓ v = √p Σ_k (Fu)_k conj((Fv)_k) conj((F e_ℓ)_k) for "sub"; for "add" it is (Fv)_k.

    Raises
    ------
    ValueError
        If the operation is not "add" or "sub", or modulus is not an integer ≥ 2.

    Examples
    --------
    >>> x = torch.zeros(6).double()
    >>> x[2] = x[3 + 1] = 1
    >>> (x @ fma_forms(3) @ x).round(decimals=6).abs()
    tensor([0., 1., 0.], dtype=torch.float64)
    """
    check_choice("operation", operation, SUMS)
    task = ModularTask(operation, modulus)
    p = modulus
    tables = fourier_multiplication(task.pairs, p, operation).T.reshape(p, p, p)
    forms = torch.zeros(p, 2 * p, 2 * p, dtype=torch.float64, device="cpu")
    forms[:, :p, p:], forms[:, p:, :p] = tables / 2, tables.transpose(1, 2) / 2
    return forms


def theorem_forms(modulus: int, operation: str = "sub") -> Float[Tensor, "p d d"]:
    """What the machines of `fit_quadratic_forms` are on all p² pairs, in closed form, (p, 2p, 2p):

        f_ℓ(u ⊕ v) = FMA_ℓ(u, v) + (‖u‖² + ‖v‖²) / (2p + 2) − (1ᵀu)(1ᵀv) / (p + 1)

    for all real u and v. The last two terms cancel on one-hot pairs.

    Proved
    ------
    Write τ(a, b) = (b + ℓ, a − ℓ). Two pairs z and z' have zᵀ M_ℓ z' = [a = a″] + [b = b″] with
    (a″, b″) = τ(z'), so the kernel matrix of all pairs, in units of the scale s, is K = B T. T is
    the permutation matrix of τ and B = I⊗J + J⊗I + 2 I⊗I, with J the matrix of ones. B has the
    eigenvalues 2p + 2, p + 2 and 2 and commutes with T, which is its own inverse.

    1. K has full rank for every p and ℓ. Any labels are interpolated.
    2. α = T B⁻¹ y and f(u ⊕ v) = Σ_ab (B⁻¹y)_ab (u_a + v_b)². M_ℓ has dropped out: any other
       permutation matrix in the place of Cˡ gives the same predictor, whatever the labels are.
    3. If y has a single one in each row and column of the table, as every class of "add" and
       "sub" has, then B⁻¹y = y/2 − 1/(2p + 2), and the formula above follows.
    4. What FMA and predictor differ by does not depend on ℓ. Both have the same argmax for
       every real input.

    So with the whole table given, the predictor is the table, read as a bilinear form, and its
    Fourier transform is the FMA because the table is one of sums. Circulant features have no
    part in it: by 2, features for "sub" fit the table of "add" to the same formula.

    Only observed
    -------------
    On half the table the kernel matrix is singular (p = 31, 480 rows: ranks 296 to 338). The
    solution of smallest norm is below chance on the other half, for "sub" at most 0.05 at p = 13
    and 0.01 at p = 31 (chance is 0.08 and 0.03); for "add" it does not even interpolate the
    training half. One *shared* matrix with a random circulant block does generalise from half the
    table (`random_circulant_features`, ≥ 0.99 at p = 61). The theorem does not say why.

    Raises
    ------
    ValueError
        If the operation is not "add" or "sub", or modulus is not an integer ≥ 2.

    Source: the theorem is in arXiv 2407.20199, for `class_features` and "sub"; points
    2 and 4 and the closed form off the one-hot pairs are derived here.

    Examples
    --------
    >>> task = ModularTask("sub", 5)
    >>> X, Y = task.encode(task.pairs), torch.eye(5).double()[task.labels]
    >>> fitted = fit_quadratic_forms(X, Y, class_features(5))
    >>> bool(torch.allclose(fitted.forms, theorem_forms(5)))
    True
    """
    forms = fma_forms(modulus, operation)
    p = modulus
    forms[:, :p, p:] -= 1 / (2 * p + 2)
    forms[:, p:, :p] -= 1 / (2 * p + 2)
    return forms + torch.eye(2 * p, dtype=forms.dtype, device="cpu") / (2 * p + 2)
