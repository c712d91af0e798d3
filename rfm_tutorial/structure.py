"""Structure is a mean over classes: three functions from which all measures of it follow.

A learned feature matrix has structure if its entries depend only on the *class* of the cell they
stand in. Which cells belong together is a matter of the task: for a table of a∘b the cells (a, b)
and (a′, b′) of the off-diagonal block are in one class if a renaming of both digits that keeps
"same label" true, a *move*, leads from one to the other. For sums mod p the move is
(a, b) → (a + 1, b + 1), and the classes are the diagonals b − a: "depends on the class only" then
means circulant.

Why structure makes a kernel machine right. With C the off-diagonal block of M, the inner product
of the cells (a, b) and (a′, b′) contains C[a, b′] + C[a′, b]. Under sums with
C[a, b] = c(b − a) these two terms coincide exactly where a + b = a′ + b′: cells that should have
the same label look alike to the kernel, wherever they stand.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rfm_tutorial.checks import check_matrix, check_numbers, check_tensor


def class_means(A: Float[Tensor, "n m"], classes: Int[Tensor, "n m"]) -> Float[Tensor, "n m"]:
    """The matrix nearest to A, in Frobenius norm, whose entries depend on their class only.

    Every entry is replaced by the mean of its class.

    Parameters
    ----------
    A : (n, m)
    classes : (n, m) int64, a number ≥ 0 for each class; entries of class −1 are left as they are

    Raises
    ------
    ValueError
        If the shapes differ, A is not finite, or a class is not an integer ≥ −1.

    Examples
    --------
    >>> class_means(torch.tensor([[1.0, 2.0], [4.0, 3.0]]), torch.tensor([[0, 1], [1, -1]]))
    tensor([[1., 3.],
            [3., 3.]])
    """
    check_matrix("A", A)
    _check_classes(classes, A)
    means = A.clone()
    if A.is_meta:
        return means
    inside = classes >= 0
    numbers, values = classes[inside], A[inside]
    if len(numbers):
        # Numbers may have gaps: only those that occur count.
        _, numbers = numbers.unique(return_inverse=True)
        sums = values.new_zeros(int(numbers.max()) + 1).index_add(0, numbers, values)
        means[inside] = (sums / numbers.bincount())[numbers]
    return means


def class_deviation(A: Float[Tensor, "n m"], classes: Int[Tensor, "n m"]) -> float:
    """The share of A that its class means leave over: ‖A − class means‖² / ‖A‖².

    0 if the entries depend on their class only, near 1 for noise in large classes. Entries of
    class −1 are left out of both norms. Of a matrix that is zero everywhere there is no share:
    the answer is nan.

    Parameters and errors are those of `class_means`.

    Source: for the classes of sums mod p this is the circulant deviation of arXiv 2407.20199.

    Examples
    --------
    >>> A, classes = torch.tensor([[1.0, 2.0], [4.0, 3.0]]), torch.tensor([[0, 1], [1, 0]])
    >>> round(class_deviation(A, classes), 4)
    0.1333
    >>> class_deviation(class_means(A, classes), classes)
    0.0
    """
    check_numbers("A", check_matrix("A", A))
    _check_classes(classes, A)
    inside = classes >= 0
    A = _of_size_one(torch.where(inside, A.double(), 0.0))
    rest = A - class_means(A, classes)
    return float(rest.square().sum() / A.square().sum())


def orbits(moves: Int[Tensor, "k d"]) -> Int[Tensor, "d d"]:
    """The classes that some moves of d things make of their pairs.

    A move is a permutation of the things; it takes the pair (i, j) to (move[i], move[j]). Two pairs
    are in one class if moves, one after another, lead from one to the other.

    Parameters
    ----------
    moves : (k, d) int64, one permutation of 0 … d − 1 a row; k = 0 puts every pair by itself

    Returns
    -------
    (d, d) int64, class numbers 0, 1, 2, … in the order in which the classes first occur.

    Raises
    ------
    ValueError
        If moves is not an int64 matrix or a row of it is not a permutation.

    Examples
    --------
    >>> orbits(torch.tensor([[1, 2, 0]]))
    tensor([[0, 1, 2],
            [2, 0, 1],
            [1, 2, 0]])
    """
    check_tensor("moves", moves, whole=True)
    if moves.ndim != 2 or moves.dtype != torch.int64:
        raise ValueError(
            f"moves must be an int64 tensor of shape (k, d), got {moves.dtype} of shape "
            f"{tuple(moves.shape)}"
        )
    d = moves.shape[1]
    things = torch.arange(d, device=moves.device)
    for number, move in enumerate(moves):
        if not torch.equal(move.sort().values, things):
            raise ValueError(
                f"moves must be permutations of 0 … {d - 1}, got {move.tolist()} in row {number}"
            )
    # Every pair carries the smallest pair number that it has seen. Jumping to the label of the
    # label halves the way each time, so that an orbit of length n needs about log n rounds.
    pair = torch.arange(d * d, device=moves.device)
    steps = [(move[:, None] * d + move).reshape(-1) for move in moves]
    label = pair
    while True:
        new = label
        for step in steps:
            new = torch.minimum(new, new[step])
            new = new.scatter_reduce(0, step, new, "amin")
        new = new[new]
        if torch.equal(new, label):
            break
        label = new
    _, classes = label.unique(return_inverse=True)
    return classes.view(d, d)


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


def _of_size_one(matrix: Tensor) -> Tensor:
    """Times a power of two that brings the largest entry near 1, so that no square overflows or
    vanishes. No bit of a digit changes."""
    exponent = math.frexp(float(matrix.abs().max()))[1]
    return matrix * 2.0 ** -max(-1000, min(exponent, 1000))


def _check_classes(classes: Tensor, A: Tensor) -> None:
    """One whole number ≥ −1 for each entry of A."""
    check_tensor("classes", classes, whole=True)
    if classes.shape != A.shape:
        raise ValueError(
            f"classes must have the shape of A, {tuple(A.shape)}, got {tuple(classes.shape)}"
        )
    if classes.dtype != torch.int64:
        raise ValueError(f"classes must be int64 numbers, got {classes.dtype}")
    if not classes.is_meta and int(classes.min()) < -1:
        raise ValueError(f"classes must be numbers ≥ −1, got {int(classes.min())} among them")
