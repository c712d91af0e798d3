"""Circulant blocks: the structure that learned features have, and how to see, make and impose it.

A matrix is circulant if each row is the row above it moved one place to the right, and Hankel if
moved one place to the left, both cyclically. On one-hot pairs e_a ⊕ e_b a feature matrix has two
diagonal blocks, one per digit, and an off-diagonal block that couples a with b. What is learned
there, and how `circulant_block` arranges it so that it is circulant for every operation:

    operation    rows (digit a)         columns (digit b)            the block in natural order
    add          0, 1, … p − 1          0, 1, … p − 1                circulant
    sub          0, 1, … p − 1          p − 1, … 1, 0                Hankel
    mul          g⁰, g¹, … g^(p−2)      g⁰, g¹, … g^(p−2)            no visible order
    div          g⁰, g¹, … g^(p−2)      g^(p−2), … g¹, g⁰            no visible order

Here g is a primitive root of the prime p: its powers are all the non-zero digits, and since
gⁱ · gʲ = g^(i+j), multiplying digits is adding their exponents, the discrete logarithms, modulo
p − 1. Zero is no power of g and is left out. Hankel matrices with their columns flipped are
circulant, because −b turns a subtraction into an addition.

Source: the observations on learned features in arXiv 2407.20199.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rfm_tutorial.checks import (
    check_choice,
    check_device,
    check_dtype,
    check_integer,
    check_matrix,
    check_memory,
    check_numbers,
    check_square,
    check_symmetric,
    check_tensor,
    seeded_generator,
    shown,
)
from rfm_tutorial.modular import MODULUS_MAX, OPERATIONS, check_prime, is_prime
from rfm_tutorial.precision import in_full_precision

GROUP_OPERATIONS = ("add", "sub", "mul", "div")
"""The operations with an arrangement of digits that makes learned features circulant."""

EIGENVALUE_SHIFT = 0.5
"""What `block_features` adds to every eigenvalue, as a share of the mean singular value."""

EIGENVALUE_FLOOR = 0.01
"""The smallest eigenvalue that `block_features` leaves, as a share of the mean singular value."""


def _prime_factors(number: int) -> list[int]:
    """The distinct prime factors of a whole number ≥ 1, by trial division."""
    factors, divisor = [], 2
    while divisor * divisor <= number and not is_prime(number):
        if number % divisor == 0:
            factors.append(divisor)
            while number % divisor == 0:
                number //= divisor
        divisor += 1 if divisor == 2 else 2
    return factors + [number] * (number > 1)


def _generates(candidate: int, p: int, factors: list[int]) -> bool:
    """Whether the powers of a non-zero digit are all of 1 … p − 1, for the factors of p − 1."""
    return all(pow(candidate, (p - 1) // factor, p) != 1 for factor in factors)


def primitive_root(p: int) -> int:
    """The smallest g whose powers g⁰, g¹, … g^(p−2) mod p are all the non-zero digits.

    g is one exactly if g^((p−1)/q) ≠ 1 for every prime factor q of p − 1. Exact for any prime:
    Python's three-argument pow never overflows. Trial division finds the factors, which is
    quick up to p about 10¹².

    Raises
    ------
    ValueError
        If p is not prime.

    Examples
    --------
    >>> primitive_root(7), primitive_root(41), primitive_root(2_147_483_659)
    (3, 6, 2)
    """
    check_prime("p", p, "a primitive root")
    factors = _prime_factors(p - 1)
    return next(g for g in range(1, p) if _generates(g, p, factors))


def discrete_log_order(p: int, root: int | None = None) -> Int[Tensor, " n"]:
    """The non-zero digits in the order of their discrete logarithm: g⁰, g¹, … g^(p−2) mod p.

    Indexing a vector or matrix with it puts its digits in that order.

    Parameters
    ----------
    p : a prime
    root : the primitive root g; the smallest one if None

    Returns
    -------
    (p − 1,) int64, a permutation of 1 … p − 1.

    Raises
    ------
    ValueError
        If p is not prime or root is not a primitive root of p.

    Examples
    --------
    >>> discrete_log_order(7)
    tensor([1, 3, 2, 6, 4, 5])
    """
    root = primitive_root(p) if root is None else _check_root(root, p)
    check_memory(f"an order of {p - 1} digits", 32.0 * p, "take a smaller prime")
    powers = torch.ones(1, dtype=torch.int64, device="cpu")
    # Doubling: the next powers are these times g^len. Digits below 2³¹ multiply without overflow,
    # and a table of more digits than that fits in no memory.
    while len(powers) < p - 1:
        powers = torch.cat([powers, powers * pow(root, len(powers), p) % p])
    return powers[: p - 1]


def discrete_log_table(p: int, root: int | None = None) -> Int[Tensor, " p"]:
    """The discrete logarithm of each digit: k at position g^k mod p, and −1 for 0, which has none.

    The inverse of `discrete_log_order`. Parameters and errors are those of that function.

    Examples
    --------
    >>> discrete_log_table(7)
    tensor([-1,  0,  2,  1,  4,  5,  3])
    """
    order = discrete_log_order(p, root)
    table = torch.full((p,), -1, dtype=torch.int64, device="cpu")
    table[order] = torch.arange(p - 1, device="cpu")
    return table


def circulant_matrix(row: Float[Tensor, " n"]) -> Float[Tensor, "n n"]:
    """The circulant matrix with this first row: entry (i, j) is row[(j − i) mod n].

    Raises
    ------
    ValueError
        If row is not a finite, non-empty 1-d float tensor.

    Examples
    --------
    >>> circulant_matrix(torch.tensor([1.0, 2.0, 3.0]))
    tensor([[1., 2., 3.],
            [3., 1., 2.],
            [2., 3., 1.]])
    """
    n = len(_check_vector("row", row))
    digit = torch.arange(n, device=row.device)
    return row[(digit - digit[:, None]) % n]


def hankel_matrix(row: Float[Tensor, " n"]) -> Float[Tensor, "n n"]:
    """The cyclic Hankel matrix with this first row: entry (i, j) is row[(i + j) mod n].

    Raises
    ------
    ValueError
        If row is not a finite, non-empty 1-d float tensor.

    Examples
    --------
    >>> hankel_matrix(torch.tensor([1.0, 2.0, 3.0]))
    tensor([[1., 2., 3.],
            [2., 3., 1.],
            [3., 1., 2.]])
    """
    n = len(_check_vector("row", row))
    digit = torch.arange(n, device=row.device)
    return row[(digit + digit[:, None]) % n]


def arrange_block(
    block: Float[Tensor, "p p"], operation: str, root: int | None = None
) -> Float[Tensor, "n n"]:
    """Rows and columns of a (p, p) block in the order in which the operation is circulant.

    The table in this module's first lines says which order that is. "mul" and "div" leave out
    the digit zero, so n = p − 1; for a polynomial operation the block stays as it is.

    Parameters
    ----------
    block : couples digit a (rows) with digit b (columns), both in natural order, (p, p)
    operation : a name from `OPERATIONS`
    root : the primitive root for "mul" and "div"; the smallest one if None

    Raises
    ------
    ValueError
        If block is not a finite square float matrix, the operation is unknown, p is not prime
        for "mul" or "div", or root is not a primitive root.

    Examples
    --------
    >>> table = torch.tensor([[float(a * b % 5) for b in range(5)] for a in range(5)])
    >>> arrange_block(table, "mul")
    tensor([[1., 2., 4., 3.],
            [2., 4., 3., 1.],
            [4., 3., 1., 2.],
            [3., 1., 2., 4.]])
    """
    check_square("block", block)
    rows, columns = _positions(operation, len(block), root, block.device)
    return block[rows[:, None], columns]


def restore_block(
    block: Float[Tensor, "n n"], operation: str, root: int | None = None
) -> Float[Tensor, "p p"]:
    """The inverse of `arrange_block`: back to natural order, with 0 wherever a digit is zero.

    Parameters and errors are those of `arrange_block`, for a block of p − 1 rows where the
    operation is "mul" or "div" and p rows otherwise.

    Examples
    --------
    >>> natural = restore_block(circulant_matrix(torch.arange(1.0, 5.0)), "mul")
    >>> natural.shape, arrange_block(natural, "mul")[0]
    (torch.Size([5, 5]), tensor([1., 2., 3., 4.]))
    """
    check_square("block", block)
    p = _modulus_of(block, operation)
    rows, columns = _positions(operation, p, root, block.device)
    natural = block.new_zeros(p, p)
    natural[rows[:, None], columns] = block
    return natural


def circulant_block(
    M: Float[Tensor, "d d"], operation: str, root: int | None = None
) -> Float[Tensor, "n n"]:
    """The off-diagonal block M[:p, p:] of a feature matrix, arranged by `arrange_block`.

    Learned features give a circulant matrix here for each of add, sub, mul and div: sub and div
    have their columns flipped (last first), mul and div keep the non-zero digits only, in the
    order of their discrete logarithm. A polynomial operation gives the plain block.

    Parameters
    ----------
    M : feature matrix, (2p, 2p)
    operation : a name from `OPERATIONS`
    root : the primitive root for "mul" and "div"; the smallest one if None

    Returns
    -------
    (p, p), or (p − 1, p − 1) for "mul" and "div".

    Raises
    ------
    ValueError
        If M is not a finite square float matrix with an even number of rows, or as for
        `arrange_block`.

    Examples
    --------
    >>> M = random_circulant_features("div", 7)
    >>> circulant_block(M, "div").shape, round(circulant_deviation(circulant_block(M, "div")), 6)
    (torch.Size([6, 6]), 0.0)
    """
    p = _half_of(M)
    return arrange_block(M[:p, p:], operation, root)


def circulant_deviation(block: Float[Tensor, "n n"]) -> float:
    """How far a square matrix is from circulant: 0 for circulant, near 1 for noise.

    Row ℓ is moved ℓ places to the left, cyclically, so that a circulant matrix would have
    constant columns. The measure is the squared deviations of the columns from their means,
    summed and divided by ‖block‖²_F. It is ‖block − nearest circulant‖² / ‖block‖², and the
    scale of the block does not matter. A block that is zero everywhere, such as that of M = I,
    has no deviation: the answer is nan.

    Raises
    ------
    ValueError
        If block is not a finite square float matrix.

    Source: a progress measure of arXiv 2407.20199.

    Examples
    --------
    >>> circulant_deviation(circulant_matrix(torch.tensor([1.0, 2.0, 3.0])))
    0.0
    >>> circulant_deviation(torch.diag(torch.tensor([1.0, -1.0])))
    1.0
    """
    check_numbers("block", check_square("block", block))
    columns = _of_size_one(_aligned_rows(block.double()))
    spread, total = (columns - columns.mean(0)).square().sum(), columns.square().sum()
    return float(spread / total)


def agop_alignment(M: Float[Tensor, "n m"], reference: Float[Tensor, "n m"]) -> float:
    """Cosine of two matrices as vectors, ⟨M, reference⟩ / ‖M‖ ‖reference‖, between −1 and 1.

    With the last feature matrix of a run as the reference it measures progress. It is nan if
    either matrix is zero.

    Raises
    ------
    ValueError
        If the shapes differ or an entry is not finite.

    Source: a progress measure of arXiv 2407.20199.

    Examples
    --------
    >>> round(agop_alignment(torch.eye(2), torch.ones(2, 2)), 4)
    0.7071
    """
    check_numbers("M", check_matrix("M", M))
    check_matrix("reference", reference, rows=len(M), columns=M.shape[1], like=M, like_name="M")
    left, right = _of_size_one(M.double()), _of_size_one(reference.double())
    cosine = (left * right).sum() / (left.norm() * right.norm())
    return float(cosine.clamp(-1, 1))  # rounding may lead beyond


def project_circulant(block: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """The circulant matrix nearest to a square one in Frobenius norm: each diagonal's mean.

    Raises
    ------
    ValueError
        If block is not a finite square float matrix.

    Examples
    --------
    >>> project_circulant(torch.tensor([[1.0, 0.0], [2.0, 3.0]]))
    tensor([[2., 1.],
            [1., 2.]])
    """
    return circulant_matrix(_aligned_rows(check_square("block", block)).mean(0))


def project_hankel(block: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """The cyclic Hankel matrix nearest to a square one in Frobenius norm.

    Flipping the columns makes a Hankel matrix circulant, so this is `project_circulant` between
    two flips.

    Raises
    ------
    ValueError
        If block is not a finite square float matrix.

    Examples
    --------
    >>> project_hankel(torch.tensor([[1.0, 0.0], [2.0, 3.0]]))
    tensor([[2., 1.],
            [1., 2.]])
    """
    return project_circulant(check_square("block", block).flip(1)).flip(1)


def impose_circulant(M: Float[Tensor, "d d"], operation: str) -> Float[Tensor, "d d"]:
    """The feature matrix nearest to M that has exactly the symmetry of the operation. Stays PSD.

    In the arrangement of `circulant_block` all four blocks are replaced by their nearest
    circulant matrices. For "mul" and "div" a zero digit keeps its own entries, and what couples
    it with the other digits is replaced by the mean over them.

    That is the mean of PMPᵀ over the permutations P that move both digits one place along, 0, 1,
    2, … times. Each PMPᵀ is PSD if M is, and so is their mean: nothing has to be clipped.

    Enforced at every step it makes the loop need less data:
    `rfm.iterate(X, Y, on_features=lambda M: impose_circulant(M, "add"))`. Test accuracy after 30
    steps at p = 61, "add", Gaussian kernel, mean over split seeds 0 to 2:

        train fraction    0.20     0.25     0.30     0.35     0.40     0.50
        plain             0.000    0.003    0.057    0.339    0.779    0.999
        imposed           0.007    0.094    0.423    0.741    0.950    0.999

    Parameters
    ----------
    M : symmetric feature matrix, (2p, 2p)
    operation : "add", "sub", "mul" or "div"

    Raises
    ------
    ValueError
        If M is not symmetric or has an odd number of rows, the operation is not one of the four,
        or p is not prime for "mul" or "div".

    Source: the enforced-circulant experiment in the appendix of arXiv 2407.20199.

    Examples
    --------
    >>> M = torch.randn(10, 10, generator=torch.Generator().manual_seed(0)).double()
    >>> imposed = impose_circulant(M @ M.T, "sub")
    >>> round(circulant_deviation(circulant_block(imposed, "sub")), 6)
    0.0
    """
    check_symmetric("M", M)
    check_choice("operation", operation, GROUP_OPERATIONS)
    p = _half_of(M)
    rows, columns = _positions(operation, p, None, M.device)
    halves = (rows, columns + p)
    imposed = M.clone()
    for first in halves:
        for second in halves:
            imposed[first[:, None], second] = project_circulant(M[first[:, None], second])
        if len(rows) < p:
            for zero in (0, p):
                imposed[zero, first] = imposed[first, zero] = M[zero, first].mean()
    return (imposed + imposed.T) / 2


@in_full_precision
def block_features(block: Float[Tensor, "n n"], operation: str) -> Float[Tensor, "d d"]:
    """A PSD feature matrix whose off-diagonal block, arranged, is as near to C = `block` as can be.

    The plain construction [[0, C], [Cᵀ, 0]] is never PSD: its eigenvalues are ±σ for the singular
    values σ of C. Three steps make it so.

    1. Add half of the mean σ to every eigenvalue, that is to the diagonal. Singular values below
       0.49 of the mean will then come out as they went in.
    2. Raise the eigenvalues that are still below 0.01 of the mean σ to that value: the nearest
       matrix, in Frobenius norm, that is so far from singular. A floor of zero would leave the
       quadratic kernel with a singular system on large training sets.
    3. Divide by the largest eigenvalue, so that no direction counts for more than with M = I.

    Every step keeps the singular vectors of C: a circulant C gives four circulant blocks, and
    the off-diagonal one has the frequencies of C with the strongest of them damped, by just under
    half at most (its cosine with a random circulant C at p = 61 is about 0.99). The plainer ways
    are worse. Shifting by the largest σ drowns C in the identity; clipping without any shift
    leaves the spread of the σ as it is and the quadratic kernel's system often singular.

    "mul" and "div" say nothing about zero. Its two rows get the mean diagonal entry of the others
    and couple with nothing, so that a kernel machine can tell that a zero is there. That is
    enough for it: all pairs with a zero have the same label.

    Parameters
    ----------
    block : the wanted block in the arrangement of `circulant_block`: (p, p), or (p − 1, p − 1)
        for "mul" and "div"
    operation : "add", "sub", "mul" or "div"

    Returns
    -------
    (2p, 2p), symmetric PSD, largest eigenvalue 1.

    Raises
    ------
    ValueError
        If block is not a finite square float matrix, is zero, or does not belong to a prime for
        "mul" or "div".

    Examples
    --------
    >>> M = block_features(torch.eye(4), "mul")
    >>> M.shape, round(float(torch.linalg.eigvalsh(M).max()), 4)
    (torch.Size([10, 10]), 1.0)
    """
    check_numbers("block", check_square("block", block))
    check_choice("operation", operation, GROUP_OPERATIONS)
    p = _modulus_of(block, operation)
    n = len(block)
    rows, columns = _positions(operation, p, None, block.device)
    left, sigma, right = torch.linalg.svd(block)
    if not bool(sigma[0] > 0):
        raise ValueError("block must not be zero: there is nothing that it could couple")
    shift, floor = EIGENVALUE_SHIFT * sigma.mean(), EIGENVALUE_FLOOR * sigma.mean()
    # The eigenvalues come in pairs ±σ, with eigenvectors (u, ±v) / √2.
    plus, minus = sigma + shift, (shift - sigma).clamp(min=float(floor))
    basis = torch.cat([left, right.T]) / 2**0.5
    mirror = torch.cat([left, -right.T]) / 2**0.5
    arranged = ((basis * plus) @ basis.T + (mirror * minus) @ mirror.T) / plus[0]
    M = block.new_zeros(2 * p, 2 * p)
    digits = torch.cat([rows, columns + p])
    M[digits[:, None], digits] = arranged
    if n < p:
        M[0, 0] = M[p, p] = arranged.diagonal().mean()
    return (M + M.T) / 2


def random_circulant_features(
    operation: str,
    modulus: int,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> Float[Tensor, "d d"]:
    """Feature matrix with a random circulant block: with it, a plain kernel machine generalises.

    The first row of the block is standard normal noise; `block_features` makes a PSD matrix of
    it and says how. Nothing here has seen a label. The noise is drawn on the CPU in float64, so
    that a seed means the same features everywhere.

    Measured at p = 61 over the four operations and seeds 0 to 4, ridge 0, test accuracy:

        train fraction    Gaussian, L = 2.5    quadratic         either, M = I
        0.5               0.997 … 1.000        0.997 … 1.000     0.000 … 0.033
        0.3               0.637 … 0.887        0.704 … 0.914     0.000 … 0.033

    The randomness is needed. The cyclic shift is circulant too but reaches 0.49 at one half, and
    a block of one frequency stays at chance; so do the features of another operation.

    Parameters
    ----------
    operation : "add", "sub", "mul" or "div"
    modulus : p ≥ 2; prime for "mul" and "div"
    seed : of the random row

    Returns
    -------
    (2p, 2p), symmetric PSD, largest eigenvalue 1.

    Raises
    ------
    ValueError
        If the operation is not one of the four, or modulus, seed or dtype do not fit.

    Source: the random-circulant experiment of arXiv 2407.20199.

    Examples
    --------
    >>> from rfm_tutorial import GaussianKernel, KernelRidge, ModularTask, accuracy
    >>> split = ModularTask("add", 23).split(0.7)
    >>> for M in (torch.eye(46).double(), random_circulant_features("add", 23)):
    ...     model = KernelRidge(GaussianKernel(2.5)).fit(split.X_train, split.Y_train, M)
    ...     round(accuracy(model.predict(split.X_test), split.y_test), 2)
    0.0
    1.0
    """
    n = _arranged_size(operation, modulus, dtype)
    device = check_device(device)
    row = torch.randn(n, dtype=torch.float64, generator=seeded_generator(seed), device="cpu")
    return block_features(circulant_matrix(row), operation).to(device, dtype)


def random_block_features(
    operation: str,
    modulus: int,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> Float[Tensor, "d d"]:
    """The negative control of `random_circulant_features`: a random block without any structure.

    Every entry of the block is standard normal noise; all else is the same, arguments and errors
    included. A kernel machine with these features stays at chance on new pairs.

    Examples
    --------
    >>> M = random_block_features("add", 23)
    >>> circulant_deviation(circulant_block(M, "add")) > 0.9
    True
    """
    n = _arranged_size(operation, modulus, dtype)
    device = check_device(device)
    block = torch.randn(n, n, dtype=torch.float64, generator=seeded_generator(seed), device="cpu")
    return block_features(block, operation).to(device, dtype)


def _positions(
    operation: str, p: int, root: int | None, device: torch.device
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """Which digits stand in the rows, and which in the columns, of the arranged block."""
    check_choice("operation", operation, OPERATIONS)
    if operation in ("mul", "div"):
        check_prime("modulus", p, repr(operation))
        digits = discrete_log_order(p, root).to(device)
    else:
        digits = torch.arange(p, device=device)
    return digits, digits.flip(0) if operation in ("sub", "div") else digits


def _aligned_rows(block: Tensor) -> Tensor:
    """Row ℓ moved ℓ places to the left, cyclically."""
    digit = torch.arange(len(block), device=block.device)
    return block.gather(1, (digit + digit[:, None]) % len(block))


def _of_size_one(matrix: Tensor) -> Tensor:
    """Times a power of two that brings the largest entry near 1, so that no square overflows or
    vanishes. No bit of a digit changes."""
    exponent = math.frexp(float(matrix.abs().max()))[1]
    return matrix * 2.0 ** -max(-1000, min(exponent, 1000))


def _half_of(M: Tensor) -> int:
    check_square("M", M)
    if len(M) % 2:
        raise ValueError(
            f"M must have an even number of rows, p for each digit, got shape {tuple(M.shape)}"
        )
    return len(M) // 2


def _modulus_of(block: Tensor, operation: str) -> int:
    """p, from the size of an arranged block."""
    check_choice("operation", operation, OPERATIONS)
    if operation in ("mul", "div"):
        name = f"the modulus, which is {len(block)} rows of block + 1,"
        return check_prime(name, len(block) + 1, repr(operation))
    return len(block)


def _arranged_size(operation: str, modulus: int, dtype: torch.dtype) -> int:
    """Rows of the arranged block of a task, after checking what describes the task."""
    check_choice("operation", operation, GROUP_OPERATIONS)
    check_integer("modulus", modulus, at_least=2, at_most=MODULUS_MAX)
    check_dtype(dtype)
    # The arranged block, its singular vectors, and four times the feature matrix.
    check_memory(f"features of modulus {modulus}", 200.0 * modulus**2, "take a smaller modulus")
    if operation in ("mul", "div"):
        return check_prime("modulus", modulus, repr(operation)) - 1
    return modulus


def _check_root(root: int, p: int) -> int:
    check_prime("p", p, "a primitive root")
    check_integer("root", root, at_least=1)
    if root % p == 0 or not _generates(root % p, p, _prime_factors(p - 1)):
        raise ValueError(
            f"root must be a primitive root of {p}, got {shown(root)}, whose powers are not all "
            f"the non-zero digits; the smallest primitive root is {primitive_root(p)}"
        )
    return root % p


def _check_vector(name: str, value: Tensor) -> Tensor:
    """A finite, non-empty 1-d float tensor."""
    check_tensor(name, value)
    if value.ndim != 1:
        raise ValueError(f"{name} must have 1 dimension, got shape {tuple(value.shape)}")
    check_matrix(name, value[None])
    return value
