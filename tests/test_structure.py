"""Structure is a mean over classes: the three functions, and that the circulant ones follow."""

import itertools

import pytest
import torch
from helpers import difference, normal
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rfm_tutorial import (
    OPERATIONS,
    circulant_block,
    circulant_deviation,
    class_deviation,
    class_means,
    impose_circulant,
    orbits,
)
from rfm_tutorial.circulant import project_circulant, restore_block
from rfm_tutorial.operations import GROUP_OPERATIONS, Operation

every_operation = pytest.mark.parametrize("operation", GROUP_OPERATIONS)
some_primes = pytest.mark.parametrize("p", [2, 3, 5, 7, 13])


def symmetric(d: int) -> Tensor:
    half = normal(d, d, seed=d)
    return half @ half.T


# ---------------------------------------------------------------- the three functions


@given(st.lists(st.integers(-1, 4), min_size=12, max_size=12))
def test_a_class_mean_is_the_mean_of_its_class(numbers: list[int]) -> None:
    classes, A = torch.tensor(numbers).view(3, 4), normal(3, 4)
    means = class_means(A, classes)
    for number in set(numbers):
        inside = classes == number
        expected = A[inside] if number == -1 else A[inside].mean().expand(int(inside.sum()))
        assert torch.allclose(means[inside], expected, atol=1e-14)


@given(st.lists(st.integers(-1, 4), min_size=12, max_size=12))
def test_what_the_means_leave_over_is_orthogonal_to_them(numbers: list[int]) -> None:
    classes, A = torch.tensor(numbers).view(3, 4), normal(3, 4)
    inside = classes >= 0
    means, whole = class_means(A, classes)[inside], A[inside].square().sum()
    deviation = class_deviation(A, classes)
    if not inside.any():
        assert deviation != deviation
    else:
        # Pythagoras: of all matrices with equal entries in a class the means are the nearest.
        assert deviation == pytest.approx(float(1 - means.square().sum() / whole), abs=1e-12)


def test_a_deviation_does_not_depend_on_scale_or_type() -> None:
    A, classes = normal(5, 5), OPERATIONS["add"].classes(5)
    expected = class_deviation(A, classes)
    for scale in (1e-300, 1e300, -3.0):
        assert class_deviation(A * scale, classes) == pytest.approx(expected, rel=1e-12)
    assert class_deviation(A.float(), classes) == pytest.approx(expected, rel=1e-5)
    assert class_means(A.float(), classes).dtype == torch.float32


@given(st.lists(st.permutations(range(6)), max_size=3))
def test_orbits_are_what_walking_reaches(permutations: list[list[int]]) -> None:
    moves = torch.tensor(permutations, dtype=torch.int64).view(-1, 6)
    classes = orbits(moves)
    reached: dict[tuple[int, int], set] = {}
    for start in itertools.product(range(6), repeat=2):
        seen, new = {start}, [start]
        while new:
            i, j = new.pop()
            for move in permutations:
                step = move[i], move[j]
                if step not in seen:
                    seen.add(step)
                    new.append(step)
        reached[start] = seen
    for pair, other in itertools.product(reached, repeat=2):
        assert bool(classes[pair] == classes[other]) == (other in reached[pair])
    firsts = classes.flatten().unique(return_inverse=True)[0]
    assert firsts.tolist() == list(range(len(firsts)))


@pytest.mark.usefixtures("no_type_checks")
def test_wrong_arguments_are_named() -> None:
    A, classes = normal(2, 2), torch.zeros(2, 2, dtype=torch.int64)
    for function in (class_means, class_deviation):
        with pytest.raises(ValueError, match=r"classes must have the shape of A, \(2, 2\)"):
            function(A, classes[:1])
        with pytest.raises(ValueError, match="classes must be int64 numbers"):
            function(A, classes.double())
        with pytest.raises(ValueError, match="classes must be numbers ≥ −1, got -2"):
            function(A, classes - 2)
        with pytest.raises(ValueError, match="A must be finite"):
            function(A * float("nan"), classes)
    with pytest.raises(ValueError, match=r"moves must be permutations of 0 … 2, got .* in row 1"):
        orbits(torch.tensor([[0, 1, 2], [0, 0, 1]]))
    with pytest.raises(ValueError, match="moves must be an int64 tensor of shape"):
        orbits(torch.zeros(2, 2))


# ---------------------------------------------------------------- what an operation knows


@every_operation
@some_primes
def test_a_move_keeps_same_label_true(operation: str, p: int) -> None:
    rule = OPERATIONS[operation]
    table = rule.table(p)
    for move in rule.moves(p):
        moved = torch.empty_like(table)
        moved[move[:p, None], move[p:] - p] = table
        # Cells that had the same label have the same label again, and no others do.
        pairs = torch.stack([table.flatten(), moved.flatten()]).unique(dim=1)
        assert pairs.shape[1] == len(table.unique()) == len(moved.unique())


@every_operation
@some_primes
def test_classes_are_the_orbits_of_the_move_where_digits_have_hours(operation: str, p: int) -> None:
    rule = OPERATIONS[operation]
    classes, cells = rule.classes(p), orbits(rule.moves(p))[:p, p:]
    inside = classes >= 0
    assert int(inside.sum()) == rule.n_hours(p) ** 2
    together = torch.stack([classes[inside], cells[inside]]).unique(dim=1)
    assert together.shape[1] == rule.n_hours(p) == len(classes[inside].unique())


@every_operation
@pytest.mark.parametrize("p", [5, 7, 13, 31])
def test_two_terms_coincide_exactly_where_labels_agree(operation: str, p: int) -> None:
    """With C[a, b] a function of the class, C[a, b′] = C[a′, b] where a∘b = a′∘b′: the identity
    that makes features of this kind generalise. Different classes get different numbers here."""
    rule = OPERATIONS[operation]
    classes, table = rule.classes(p), rule.table(p)
    cells = (classes >= 0).nonzero()
    a, b = cells.T
    crossed = classes[a[:, None], b[None]]
    coincide = crossed == crossed.T
    assert torch.equal(coincide, table[a, b][:, None] == table[a, b][None])


def test_an_operation_without_a_clock_has_no_move_and_leaves_every_pair_alone() -> None:
    rule = OPERATIONS["x^3+xy"]
    assert rule.moves(5).shape == (0, 10)
    assert len(orbits(rule.moves(5)).unique()) == 100
    assert not rule.has_clock(5)


def test_an_operation_of_ones_own_needs_one_value() -> None:
    from rfm_tutorial.operations import every_digit

    late = Operation("late", "a + b + 1", lambda a, b, p: (a + b + 1) % p, every_digit)
    assert late.table(5)[1].tolist() == [2, 3, 4, 0, 1]
    assert torch.equal(late.classes(5), OPERATIONS["add"].classes(5))
    assert torch.equal(late.moves(5), OPERATIONS["add"].moves(5))


# ---------------------------------------------------------------- what follows from them


@every_operation
@some_primes
def test_circulant_deviation_is_the_deviation_of_the_raw_block(operation: str, p: int) -> None:
    M = symmetric(2 * p)
    raw = class_deviation(M[:p, p:], OPERATIONS[operation].classes(p))
    arranged = circulant_deviation(circulant_block(M, operation))
    assert raw == pytest.approx(arranged, abs=1e-13)


@every_operation
@some_primes
def test_imposing_is_the_mean_over_the_powers_of_the_move(operation: str, p: int) -> None:
    M, rule = symmetric(2 * p), OPERATIONS[operation]
    (move,) = rule.moves(p)
    total, image = torch.zeros_like(M), M
    for _ in range(rule.n_hours(p)):
        total += image
        image = image[move][:, move]
    assert difference(impose_circulant(M, operation), total / rule.n_hours(p)) < 1e-13


@every_operation
def test_projecting_the_arranged_block_is_the_class_mean_of_the_raw_one(operation: str) -> None:
    p, rule = 7, OPERATIONS[operation]
    M = symmetric(2 * p)
    projected = project_circulant(circulant_block(M, operation))
    inside = rule.classes(p) >= 0
    means = torch.where(inside, class_means(M[:p, p:], rule.classes(p)), 0.0)
    assert difference(restore_block(projected, operation), means) < 1e-13
