"""The Fourier side: spectra of blocks, the Fourier Multiplication Algorithm, and a theorem.

The discrete Fourier transform F turns a cyclic shift of digits into a change of phase. Hence two
facts that this module is built on:

* F A Fᴴ is diagonal exactly if A is circulant; the diagonal holds one number per frequency.
* (F e_a)_k (F e_b)_k = (F e_{a+b})_k / √p. Multiplying the phases of two digits adds the digits.

`fourier_multiplication` is the second fact as a program. The last part of the module studies in
what sense a kernel machine with circulant features is that program; see `theorem_forms`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from rfm_tutorial.checks import (
    check_choice,
    check_device,
    check_dtype,
    check_integer,
    check_labels,
    check_matrix,
    check_real,
    check_square,
)
from rfm_tutorial.circulant import circulant_matrix, project_circulant
from rfm_tutorial.kernels import QuadraticKernel
from rfm_tutorial.operations import GROUP_OPERATIONS, MODULUS_MAX, OPERATIONS
from rfm_tutorial.precision import in_full_precision
from rfm_tutorial.tasks import ModularTask

Frequencies = Iterable[int] | Int[Tensor, " _"]


def dft_matrix(p: int, device: torch.device | str | None = None) -> Complex[Tensor, "p p"]:
    """The unitary discrete Fourier transform, F_kj = exp(−2πi jk / p) / √p, complex128.

    Column j is F e_j, the phases of digit j. F is symmetric, and F Fᴴ = I.

    Raises
    ------
    ValueError
        If p is not an integer ≥ 1.

    Examples
    --------
    >>> F = dft_matrix(5)
    >>> bool(torch.allclose(F @ F.conj().T, torch.eye(5, dtype=F.dtype)))
    True
    """
    check_integer("p", p, at_least=1)
    digit = torch.arange(p, device=check_device(device))
    return _phases(digit, digit, p)


def real_fourier_basis(p: int, device: torch.device | str | None = None) -> Float[Tensor, "p p"]:
    """An orthogonal matrix of waves, one a row: the constant, then cosine and sine of 1, 2, …

    For an even p the last row alternates, (−1)^j / √p. In this basis a circulant matrix falls
    into blocks of two rows, one for each frequency: a rotation times a scale. float64.

    Raises
    ------
    ValueError
        If p is not an integer ≥ 1.

    Examples
    --------
    >>> basis = real_fourier_basis(5)
    >>> bool(torch.allclose(basis @ basis.T, torch.eye(5).double()))
    True
    """
    check_integer("p", p, at_least=1)
    F = dft_matrix(p, device)
    pairs = torch.stack([F.real, -F.imag], dim=1)[1 : (p + 1) // 2] * 2**0.5
    alternating = F.real[p // 2 : p // 2 + 1] if p % 2 == 0 else F.real[:0]
    return torch.cat([F.real[:1], pairs.reshape(-1, p), alternating])


def fourier_block(block: Float[Tensor, "n n"]) -> Complex[Tensor, "n n"]:
    """F A Fᴴ: what the block does to waves, complex128. Diagonal exactly if A is circulant.

    For a circulant block with first row c the diagonal is Σ_j c_j exp(2πi jk / n), k = 0 … n − 1.

    Raises
    ------
    ValueError
        If block is not a finite square float matrix.

    Examples
    --------
    >>> fourier_block(torch.tensor([[2.0, 1.0], [1.0, 2.0]])).diagonal().real.round(decimals=6)
    tensor([3., 1.], dtype=torch.float64)
    """
    check_square("block", block)
    F = dft_matrix(len(block), block.device)
    return F @ block.to(F.dtype) @ F.conj().T


def spectrum(block: Float[Tensor, "n n"]) -> Float[Tensor, " f"]:
    """Share of the energy ‖A‖²_F that each frequency of a circulant block carries.

    Frequencies k and n − k of a real matrix carry the same and are counted together, so the
    entries are those of k = 0, 1, … ⌊n/2⌋, float64; they sum to 1. Of a block that is not quite
    circulant only the nearest circulant matrix is looked at. What that leaves out is its
    `circulant_deviation`: `Σ_k |(F A Fᴴ)_kk|² = (1 − deviation) ‖A‖²_F`. If nothing is left, the
    shares are nan.

    Parameters
    ----------
    block : as `circulant_block` arranges it, (n, n)

    Raises
    ------
    ValueError
        If block is not a finite square float matrix.

    Examples
    --------
    >>> wave = torch.cos(2 * torch.pi * 2 * torch.arange(7).double() / 7)
    >>> spectrum(circulant_matrix(wave)).round(decimals=6).abs()
    tensor([0., 0., 1., 0.], dtype=torch.float64)
    """
    check_square("block", block)
    n = len(block)
    energy = torch.fft.rfft(project_circulant(block.double())[0]).abs().square()
    energy[1 : (n + 1) // 2] *= 2
    return energy / energy.sum()


def dominant_frequencies(block: Float[Tensor, "n n"], share: float = 0.9) -> Int[Tensor, " f"]:
    """The fewest frequencies that together carry this share of `spectrum`, strongest first.

    Parameters
    ----------
    block : as `circulant_block` arranges it, (n, n)
    share : in (0, 1]

    Raises
    ------
    ValueError
        If block is not a finite square float matrix or has no circulant part, or share is not in
        (0, 1].

    Examples
    --------
    >>> j = 2 * torch.pi * torch.arange(7).double() / 7
    >>> dominant_frequencies(circulant_matrix(torch.cos(j) + 2 * torch.cos(3 * j)))
    tensor([3, 1])
    """
    if not 0 < check_real("share", share) <= 1:
        raise ValueError(f"share must lie in (0, 1], got {share!r}")
    shares, order = spectrum(block).sort(descending=True)
    if bool(shares.isnan().any()):
        raise ValueError("block must have a circulant part, got one whose diagonals all sum to 0")
    # Rounding must not ask for one frequency more than there is something in.
    enough = shares.cumsum(0) >= share - 1e-12
    return order[: int(enough.int().argmax()) + 1]


def digit_phases(
    digits: Int[Tensor, " n"], modulus: int, frequencies: Frequencies | None = None
) -> Complex[Tensor, "n f"]:
    """Step 1 of the FMA: row i is F e_a for the digit a = digits[i], on some or all frequencies.

    Every entry has the same size 1/√p. At frequency k the digit a is a hand of a clock that has
    been moved a times by k steps of p.

    Parameters
    ----------
    digits : (n,) int64, in 0 … modulus − 1
    modulus : p, the number of digits; composite is fine
    frequencies : some of 0 … p − 1; each brings its mirror p − k. All of them if None

    Returns
    -------
    (n, f) complex128, one column per frequency, in increasing order.

    Raises
    ------
    ValueError
        If a digit or frequency is out of range or no frequency is left.

    Examples
    --------
    >>> digit_phases(torch.tensor([0, 4]), 8, frequencies=[1]).real.round(decimals=4)
    tensor([[ 0.3536,  0.3536],
            [-0.3536, -0.3536]], dtype=torch.float64)
    """
    check_integer("modulus", modulus, at_least=1)
    check_labels("digits", digits, len(digits) if isinstance(digits, Tensor) else 0, modulus)
    return _phases(digits, _frequencies(frequencies, modulus, digits.device), modulus)


def phases_to_scores(
    phases: Complex[Tensor, "n f"], modulus: int, frequencies: Frequencies | None = None
) -> Float[Tensor, "n p"]:
    """Step 3 of the FMA: √p ⟨phases, F e_ℓ⟩ for every class ℓ, (n, p), float64.

    For the phases F e_a ∘ F e_b that is (1/p) Σ_k exp(2πi k (ℓ − a − b) / p), the sum of p
    hands of clocks: they all point the same way if ℓ = a + b, and cancel if not. Frequencies add
    up: scores on two sets of frequencies without a common one sum to the scores on both.

    Parameters
    ----------
    phases : what `digit_phases` gave, multiplied; complex128
    modulus, frequencies : as for `digit_phases`

    Raises
    ------
    ValueError
        If phases has not one column per frequency.

    Examples
    --------
    >>> a = digit_phases(torch.tensor([3]), 5)
    >>> phases_to_scores(a * a, 5).round(decimals=6).abs()
    tensor([[0., 1., 0., 0., 0.]], dtype=torch.float64)
    """
    check_integer("modulus", modulus, at_least=1)
    k = _frequencies(frequencies, modulus, phases.device)
    if phases.ndim != 2 or phases.shape[1] != len(k) or not phases.is_complex():
        raise ValueError(
            f"phases must be complex with {len(k)} columns, one for each frequency, "
            f"got {phases.dtype} of shape {tuple(phases.shape)}"
        )
    classes = _phases(torch.arange(modulus, device=phases.device), k, modulus)
    # Re(uᵀ v̄) in real arithmetic. The imaginary part is 0: every frequency has its mirror.
    parts = phases.real @ classes.real.T + phases.imag @ classes.imag.T
    return parts.mul_(modulus**0.5)


def fourier_multiplication(
    pairs: Int[Tensor, "N 2"],
    modulus: int,
    operation: str = "add",
    frequencies: Frequencies | None = None,
) -> Float[Tensor, "N p"]:
    """The Fourier Multiplication Algorithm: class scores of digit pairs, without any training.

        add     √p ⟨F e_a ∘ F e_b, F e_ℓ⟩        sub     √p ⟨F e_a ∘ conj(F e_b), F e_ℓ⟩

    With all frequencies this is exactly 1 where ℓ is the label and 0 elsewhere; so are "mul" and
    "div". These work on discrete logarithms: with a = gⁱ and b = gʲ the label is g^(i ± j), which
    is "add" or "sub" of i and j modulo p − 1, the number of non-zero digits. Zero has no
    logarithm, and no wave on the others describes it, so it is treated apart: a product with a
    zero, or zero divided by something, has score 1 for class 0 and 0 for all others.

    With some frequencies only, the scores are the table as seen through a filter. The label's
    score, the share of frequencies in use, is still the largest, and the only largest if no other
    class has the same phases: one frequency k is enough if it shares no factor with the number
    of digits n > 2 that take part (p, or p − 1 for "mul" and "div"). But then it wins by only
    (2/n) (1 − cos(2π/n)); more frequencies widen the margin. The pairs with a zero need none.

    Parameters
    ----------
    pairs : digits (a, b), (N, 2) int64, in 0 … modulus − 1
    modulus : p ≥ 2; prime for "mul" and "div"
    operation : "add", "sub", "mul" or "div"
    frequencies : as for `digit_phases`, for n digits; all of them if None

    Returns
    -------
    (N, p) float64 scores on the device of the pairs. The argmax is the label.

    Raises
    ------
    ValueError
        If the operation is not one of the four, the modulus is composite for "mul" or "div", a
        digit or frequency is out of range, or "div" meets a pair with b = 0.

    Source: Nanda et al., arXiv 2301.05217; in this form arXiv 2407.20199.

    Examples
    --------
    >>> pairs = torch.tensor([[2, 4], [0, 3]])
    >>> fourier_multiplication(pairs, 5).argmax(1)
    tensor([1, 3])
    >>> fourier_multiplication(pairs, 5, "mul").argmax(1)
    tensor([3, 0])
    >>> fourier_multiplication(pairs, 5, frequencies=[1]).argmax(1)
    tensor([1, 3])
    """
    check_choice("operation", operation, GROUP_OPERATIONS)
    check_integer("modulus", modulus, at_least=2, at_most=MODULUS_MAX)
    a, b = _check_pairs(pairs, modulus).unbind(1)
    rule = OPERATIONS[operation]
    clock = rule.order(modulus)[0].to(pairs.device)
    if rule.skips_zero and bool((b == 0).any()):
        row = int((b == 0).nonzero()[0])
        raise ValueError(
            f"pairs must have b ≠ 0 for {operation!r}, got {(int(a[row]), 0)} in row {row}; "
            f"pairs[pairs[:, 1] != 0] leaves such pairs out"
        )
    hour = torch.full((modulus,), -1, dtype=torch.int64, device=pairs.device)
    hour[clock] = torch.arange(len(clock), device=pairs.device)
    on_clock = (hour[a] >= 0) & (hour[b] >= 0)
    rows, others = on_clock.nonzero(), (~on_clock).nonzero()[:, 0]
    scores = torch.zeros(len(pairs), modulus, dtype=torch.float64, device=pairs.device)
    i, j = hour[a[on_clock]], hour[b[on_clock]]
    scores[rows, clock] = _combine(i, j, len(clock), rule.turn, frequencies)
    scores[others, rule.apply(a[others], b[others], modulus)] = 1.0
    return scores


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


def class_gram(features: Float[Tensor, "d d"], scale: float = 3.0) -> Float[Tensor, "N N"]:
    """The quadratic kernel matrix of all p² pairs with one class's features, (p², p²).

    With the features M_ℓ of `class_features` its eigenvalues are known: for any p and ℓ they are
    ±2s, ±(p + 2)s and ±(2p + 2)s, and none is zero (see `theorem_forms`). So the system
    K α = y can be solved for *every* y: on all pairs, fitting proves nothing about the labels.

    Parameters
    ----------
    features : symmetric (2p, 2p), for example one of `class_features(p)`
    scale : s > 0

    Examples
    --------
    >>> K = class_gram(class_features(5)[2], scale=1.0)
    >>> torch.linalg.eigvalsh(K).abs().round(decimals=4).unique()
    tensor([ 2.,  7., 12.], dtype=torch.float64)
    """
    check_square("features", features)
    task = ModularTask("add", len(features) // 2)
    X = task.encode(task.pairs, features.dtype).to(features.device)
    return QuadraticKernel(scale)(X, X, features)


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
    check_choice("operation", operation, ("add", "sub"))
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


def _phases(
    digits: Int[Tensor, " n"], frequencies: Int[Tensor, " f"], p: int
) -> Complex[Tensor, "n f"]:
    """exp(−2πi ak / p) / √p. Reducing ak first keeps the angle, and so its rounding, small."""
    turns = (digits[:, None] * frequencies % p).double() / p
    size = torch.full_like(turns, p**-0.5)
    return torch.polar(size, -2 * torch.pi * turns)


def _combine(
    a: Int[Tensor, " n"],
    b: Int[Tensor, " n"],
    n_digits: int,
    turn: int,
    frequencies: Frequencies | None,
) -> Float[Tensor, "n p"]:
    """The three steps of the FMA in Z/n: digits to phases, multiply, back to scores."""
    left, right = (digit_phases(digits, n_digits, frequencies) for digits in (a, b))
    return phases_to_scores(left * (right if turn == 1 else right.conj()), n_digits, frequencies)


def _frequencies(
    frequencies: Frequencies | None, n: int, device: torch.device
) -> Int[Tensor, " f"]:
    """The chosen frequencies with their mirrors n − k, sorted; all of 0 … n − 1 if None."""
    if frequencies is None:
        return torch.arange(n, device=device)
    if isinstance(frequencies, Tensor):
        frequencies = frequencies.tolist()
    chosen = {check_integer("frequencies", k, at_least=0) for k in frequencies}
    if not chosen or max(chosen) >= n:
        raise ValueError(f"frequencies must be some of 0 … {n - 1}, got {sorted(chosen)}")
    return torch.tensor(sorted(chosen | {-k % n for k in chosen}), device=device)


def _check_pairs(pairs: Tensor, modulus: int) -> Tensor:
    if not isinstance(pairs, Tensor):
        raise TypeError(f"pairs must be a torch.Tensor, got {type(pairs).__name__}")
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(f"pairs must have shape (N, 2), got {tuple(pairs.shape)}")
    check_labels("pairs", pairs.reshape(-1), pairs.numel(), modulus)
    return pairs
