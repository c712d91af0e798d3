"""The Fourier side: spectra of blocks, and the Fourier Multiplication Algorithm.

The discrete Fourier transform F turns a cyclic shift of digits into a change of phase. Hence two
facts that this module is built on:

* F A Fᴴ is diagonal exactly if A is circulant; the diagonal holds one number per frequency.
* (F e_a)_k (F e_b)_k = (F e_{a+b})_k / √p. Multiplying the phases of two digits adds the digits.

`fourier_multiplication` is the second fact as a program. In what sense a kernel machine with
circulant features is that program, `rfm_tutorial.theorem` studies.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from rfm_tutorial.checks import (
    check_choice,
    check_device,
    check_integer,
    check_labels,
    check_real,
    check_square,
)
from rfm_tutorial.circulant import project_circulant
from rfm_tutorial.operations import GROUP_OPERATIONS, MODULUS_MAX, OPERATIONS

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
    >>> from rfm_tutorial.circulant import circulant_matrix
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
    >>> from rfm_tutorial.circulant import circulant_matrix
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
