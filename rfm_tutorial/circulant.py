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

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rfm_tutorial.checks import (
    check_choice,
    check_matrix,
    check_numbers,
    check_square,
    check_symmetric,
    check_tensor,
)
from rfm_tutorial.operations import GROUP_OPERATIONS, OPERATIONS
from rfm_tutorial.structure import class_deviation, class_means, orbits


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
    rows, columns = _order(operation, len(check_square("block", block)), root, block.device)
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
    check_choice("operation", operation, OPERATIONS)
    p = OPERATIONS[operation].modulus_of(len(block))
    rows, columns = _order(operation, p, root, block.device)
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
    >>> from rfm_tutorial import random_circulant_features
    >>> M = random_circulant_features("div", 7)
    >>> circulant_block(M, "div").shape, round(circulant_deviation(circulant_block(M, "div")), 6)
    (torch.Size([6, 6]), 0.0)
    """
    p = _half_of(M)
    return arrange_block(M[:p, p:], operation, root)


def circulant_deviation(block: Float[Tensor, "n n"]) -> float:
    """How far a square matrix is from circulant: 0 for circulant, near 1 for noise.

    This is `class_deviation` for the classes (j − i) mod n, ‖block − nearest circulant‖² over
    ‖block‖². A block that is zero everywhere, such as that of M = I, has none: the answer is nan.

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
    return class_deviation(block, _hours_ahead(len(block), block.device))


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
    return class_means(check_square("block", block), _hours_ahead(len(block), block.device))


def project_hankel(block: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """The cyclic Hankel matrix nearest to a square one in Frobenius norm: each antidiagonal's mean.

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
    classes = _hours_ahead(len(check_square("block", block)), block.device).flip(1)
    return class_means(block, classes)


def impose_circulant(M: Float[Tensor, "d d"], operation: str) -> Float[Tensor, "d d"]:
    """The feature matrix nearest to M that has exactly the symmetry of the operation. Stays PSD.

    Every entry becomes the mean over its orbit under the operation's move. In the arrangement of
    `circulant_block` all four blocks become circulant; for "mul" and "div" a zero digit keeps its
    own entries, and what couples it with the other digits is replaced by the mean over them.

    That is the mean of PMPᵀ over the powers P of the move. Each PMPᵀ is PSD if M is, and so is
    their mean: nothing has to be clipped.

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
    classes = orbits(OPERATIONS[operation].moves(_half_of(M)))
    imposed = class_means(M, classes.to(M.device))
    return (imposed + imposed.T) / 2


def _order(
    operation: str, p: int, root: int | None, device: torch.device
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    """Which digits stand in the rows, and which in the columns, of the arranged block."""
    check_choice("operation", operation, OPERATIONS)
    rows, columns = OPERATIONS[operation].order(p, root)
    return rows.to(device), columns.to(device)


def _hours_ahead(n: int, device: torch.device) -> Int[Tensor, "n n"]:
    """(j − i) mod n: the diagonals that are constant in a circulant matrix."""
    hour = torch.arange(n, device=device)
    return (hour - hour[:, None]) % n


def _half_of(M: Tensor) -> int:
    check_square("M", M)
    if len(M) % 2:
        raise ValueError(
            f"M must have an even number of rows, p for each digit, got shape {tuple(M.shape)}"
        )
    return len(M) // 2


def _check_vector(name: str, value: Tensor) -> Tensor:
    """A finite, non-empty 1-d float tensor."""
    check_tensor(name, value)
    if value.ndim != 1:
        raise ValueError(f"{name} must have 1 dimension, got shape {tuple(value.shape)}")
    check_matrix(name, value[None])
    return value
