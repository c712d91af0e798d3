"""Splits into whole diagonals: what is in them, and what they refuse."""

# One wrong call a line.
# ruff: noqa: E501

import copy
import pickle
import re
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rfm_tutorial import RFM, GaussianKernel, ModularTask, Split
from rfm_tutorial.orbit_splits import OrbitClock, OrbitSplit, draw_differences

# What all cells of a diagonal have in common, straight from the operation.
INVARIANTS: dict[str, Callable[[int, int, int], int]] = {
    "add": lambda a, b, p: (a - b) % p,
    "sub": lambda a, b, p: (a + b) % p,
    "mul": lambda a, b, p: a * pow(b, -1, p) % p,
    "div": lambda a, b, p: a * b % p,
}


def diagonals(pairs: torch.Tensor, operation: str, p: int) -> list[int]:
    return [INVARIANTS[operation](a, b, p) for a, b in pairs.tolist()]


@pytest.mark.parametrize("operation", INVARIANTS)
@pytest.mark.parametrize("p", [3, 7, 11])
def test_parts_are_whole_diagonals_and_together_the_table(operation, p):
    task = ModularTask(operation, p)
    split = task.split_orbits(0.5, seed=2)
    N, m = split.clock.n_hours, len(split.differences)
    assert m == N // 2
    assert len(split.test_differences) == N - m
    for pairs, labels, count in (
        (split.pairs_train, split.y_train, m),
        (split.pairs_test, split.y_test, N - m),
    ):
        which = torch.tensor(diagonals(pairs, operation, p)).view(count, N)
        assert bool((which == which[:, :1]).all())
        assert torch.equal(labels, task.table[pairs[:, 0], pairs[:, 1]])
    cells = torch.cat([split.pairs_train, split.pairs_test]).tolist()
    zeros = {(a, b) for a, b in task.pairs.tolist() if p > N and a * b == 0}
    assert sorted(map(tuple, cells)) == sorted({*map(tuple, task.pairs.tolist())} - zeros)


def test_a_split_like_any_other():
    split = ModularTask("mul", 7).split_orbits(0.5, seed=0, dtype=torch.float32)
    assert isinstance(split, Split)
    assert len(split) == 8
    X_train, Y_train, y_train, X_test, *_ = split
    assert X_train is split.X_train
    assert split[3] is X_test
    assert split[:2] == (X_train, Y_train)
    assert X_train.dtype == torch.float32
    assert X_train.shape == (18, 14)
    assert torch.equal(X_train, ModularTask("mul", 7).encode(split.pairs_train, torch.float32))
    assert torch.equal(Y_train.argmax(1), y_train)
    assert bool((Y_train.sum(1) == 1).all())
    assert type(split._replace(y_train=y_train)) is Split
    assert [*split._asdict()] == list(Split._fields)
    *_, step = RFM(GaussianKernel(2.5), n_iterations=1).iterate(X_train, Y_train)
    assert step.iteration == 1


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_copies_are_the_same_split(copied):
    split = ModularTask("div", 7).split_orbits(n_orbits=2, seed=3)
    other = copied(split)
    assert repr(other) == repr(split)
    assert other != split
    assert all(torch.equal(a, b) for a, b in zip(other, split, strict=True))


def test_nothing_is_made_before_it_is_asked_for():
    # The inputs alone would be 16 GB.
    split = ModularTask("add", 997).split_orbits(0.25, seed=1)
    assert len(split.differences) == 249
    assert not {*Split._fields} & {*vars(split)}
    with pytest.raises(ValueError, match=r"X_train with its .* rows of .* would take about"):
        _ = ModularTask("add", 29989).split_orbits(0.5).X_train


def test_same_seed_same_diagonals_nested():
    task = ModularTask("add", 31)
    drawn = [set(task.split_orbits(n_orbits=m, seed=5).differences.tolist()) for m in (4, 9, 30)]
    assert drawn[0] < drawn[1] < drawn[2]
    assert torch.equal(task.split_orbits(0.3, 5).differences, task.split_orbits(0.3, 5).differences)
    assert not torch.equal(
        task.split_orbits(0.3, 5).differences, task.split_orbits(0.3, 6).differences
    )


@settings(max_examples=60)
@given(N=st.integers(3, 40), seed=st.integers(0, 5), share=st.floats(0.01, 0.99))
def test_symmetric_differences_come_with_their_mirror_images(N, seed, share):
    if 2 * int(share * N / 2) == 0:
        return
    drawn = draw_differences(N, share, None, True, seed)
    assert torch.equal(drawn.sort().values, (-drawn % N).sort().values)
    assert len(drawn) == min(2 * int(share * N / 2), 2 * ((N - 1) // 2))
    assert not bool((2 * drawn % N == 0).any())


@pytest.mark.parametrize("operation", ["add", "mul"])
def test_symmetric_is_the_swap_of_digits(operation):
    split = ModularTask(operation, 13).split_orbits(0.5, seed=1, symmetric=True)
    cells = {tuple(pair) for pair in split.pairs_train.tolist()}
    assert cells == {(b, a) for a, b in cells}
    assert len(cells) == len(split.differences) * split.clock.n_hours


def test_hours_are_the_inverse_of_cells():
    for operation in INVARIANTS:
        clock = ModularTask(operation, 11).split_orbits().clock
        s = torch.arange(clock.n_hours)
        i, j = clock.hours(clock.cells(s).flatten(0, 1)).T
        assert torch.equal((i - j) % clock.n_hours, s.repeat_interleave(clock.n_hours))
        table = ModularTask(operation, 11).table
        a, b = clock.cells(s).flatten(0, 1).T
        assert torch.equal(table[a, b], clock.digits[(i + j) % clock.n_hours])


def clock(N: int) -> OrbitClock:
    return OrbitClock(N, torch.arange(N), 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModularTask("x^2+y^2", 7).split_orbits(), "split_orbits needs an operation with a clock"),
        (lambda: ModularTask("mul", 10).split_orbits(), "modulus must be prime for 'mul', got 10"),
        (lambda: ModularTask("add", 7).split_orbits(0.1), "train_fraction must leave at least one training diagonal, got 0.1 of 7"),
        (lambda: ModularTask("add", 7).split_orbits(0.2, symmetric=True), "of 7 diagonals in mirror pairs"),
        (lambda: ModularTask("add", 7).split_orbits(1.0), "train_fraction must lie strictly between 0 and 1"),
        (lambda: ModularTask("add", 7).split_orbits(0.5, n_orbits=3), "n_orbits must not be given beside train_fraction, got 3 and 0.5"),
        (lambda: ModularTask("add", 7).split_orbits(n_orbits=7), "n_orbits must be an integer ≤ 6, got 7"),
        (lambda: ModularTask("add", 7).split_orbits(n_orbits=3, symmetric=True), "n_orbits must be even where symmetric=True, got 3"),
        (lambda: ModularTask("add", 7).split_orbits(symmetric=1), "symmetric must be True or False, got 1"),
        (lambda: ModularTask("mul", 7).split_orbits().clock.hours(torch.tensor([[3, 0]])), "pairs must have digits that are on the clock, got (3, 0)"),
        (lambda: OrbitSplit(clock(7), torch.tensor([1, 1])), "differences must be different hours from 0 to 6"),
        (lambda: OrbitSplit(clock(7), torch.tensor([1.0])), "differences must be an int64 tensor of shape (m,), got torch.float32"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("no_type_checks")
def test_errors_say_what_would_be_right(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
