"""Tables of modular arithmetic against Python's own integers, and what a split promises."""

import dataclasses
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rfm_tutorial import OPERATIONS, Dataset, ModularTask, Split, Task
from rfm_tutorial.checks import free_memory
from rfm_tutorial.datasets import one_hot
from rfm_tutorial.number_theory import check_prime, is_prime
from rfm_tutorial.tasks import MultiTask

# What a∘b means, on Python's integers, which do not overflow.
MEANING = {
    "add": lambda a, b, p: (a + b) % p,
    "sub": lambda a, b, p: (a - b) % p,
    "mul": lambda a, b, p: (a * b) % p,
    "div": lambda a, b, p: next(q for q in range(p) if q * b % p == a),
    "x^2+y^2": lambda a, b, p: (a**2 + b**2) % p,
    "x^2+xy+y^2": lambda a, b, p: (a**2 + a * b + b**2) % p,
    "x^3+xy": lambda a, b, p: (a**3 + a * b) % p,
}
PRIMES = [2, 3, 5, 7, 11, 13, 17, 19, 23]


def test_every_operation_is_known_to_these_tests() -> None:
    assert MEANING.keys() == OPERATIONS.keys()


# A naive a ** (p − 2) overflows int64 from p = 41 on.
@pytest.mark.parametrize("modulus", [2, 3, 5, 13, 41, 43, 61, 97])
@pytest.mark.parametrize("operation", MEANING)
def test_a_table_is_what_a_loop_over_all_pairs_gives(operation: str, modulus: int) -> None:
    first = 1 if operation == "div" else 0
    pairs = [(a, b) for a in range(modulus) for b in range(first, modulus)]
    task = ModularTask(operation, modulus)
    assert task.pairs.tolist() == [list(pair) for pair in pairs]
    assert task.labels.tolist() == [MEANING[operation](a, b, modulus) for a, b in pairs]
    assert task.pairs.dtype == task.labels.dtype == torch.int64


@pytest.mark.parametrize("operation", [name for name in MEANING if name != "div"])
@pytest.mark.parametrize("modulus", [4, 6, 12, 60])
def test_operations_other_than_division_take_any_modulus(operation: str, modulus: int) -> None:
    task = ModularTask(operation, modulus)
    expected = [MEANING[operation](a, b, modulus) for a, b in task.pairs.tolist()]
    assert task.labels.tolist() == expected


@pytest.mark.parametrize("modulus", [41, 61, 97, 199])
def test_division_undoes_multiplication(modulus: int) -> None:
    task = ModularTask("div", modulus)
    assert bool((task.labels * task.pairs[:, 1] % modulus == task.pairs[:, 0]).all())


def test_the_largest_digits_of_a_large_modulus_do_not_overflow() -> None:
    p = 3_000_017
    digits = torch.tensor([p - 1, p - 2, 12345])
    for name in ("mul", "x^2+y^2", "x^2+xy+y^2", "x^3+xy"):
        got = OPERATIONS[name].apply(digits, digits.flip(0), p).tolist()
        pairs = zip(digits.tolist(), digits.flip(0).tolist(), strict=True)
        assert got == [MEANING[name](a, b, p) for a, b in pairs]


def test_an_input_is_two_one_hot_halves() -> None:
    task = ModularTask("add", 5)
    X = task.encode(task.pairs)
    assert X.shape == (25, 10)
    for (a, b), row in zip(task.pairs.tolist(), X.tolist(), strict=True):
        assert [place for place, value in enumerate(row) if value == 1] == [a, 5 + b]
        assert sum(row) == 2


def test_one_hot_rows_have_their_one_in_the_right_column() -> None:
    assert torch.equal(one_hot(torch.tensor([2, 0, 1]), 3), torch.eye(3).double()[[2, 0, 1]])


def test_one_hot_refuses_what_is_no_number_of_a_column(no_type_checks: None) -> None:
    for values, said in (
        (torch.tensor([0, 3]), "values must lie in 0 … 2, got values from 0 to 3"),
        (torch.tensor([0.0]), "values must be int64 class numbers, got torch.float32"),
        (torch.tensor(1), r"values must have shape \(1,\), got \(\)"),
        (torch.tensor([[1]]), r"values must have shape \(1,\), got \(1, 1\)"),
    ):
        with pytest.raises(ValueError, match=said):
            one_hot(values, 3)
    with pytest.raises(ValueError, match="size must be an integer ≥ 1, got 0"):
        one_hot(torch.tensor([0]), 0)
    with pytest.raises(TypeError, match=r"values must be a torch\.Tensor, got list"):
        one_hot([0], 3)  # pyright: ignore[reportArgumentType]


# Tables are made when they are asked for


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        (ModularTask("add", 10007), 100140049),
        (ModularTask("div", 10007), 100130042),
        (MultiTask(("add", "div"), 10007), 200270091),
    ],
    ids=repr,
)
def test_a_table_too_large_is_described_and_not_made(
    table: ModularTask | MultiTask, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Less than the pairs alone would take, on a machine of any size.
    monkeypatch.setattr("rfm_tutorial.checks.free_memory", lambda: 1e9)
    with pytest.raises(ValueError, match=f"a split of {rows} rows .* TB, and 1 GB are free"):
        table.split()
    for part in ("pairs", "labels"):
        with pytest.raises(ValueError, match=f"with its {rows} pairs would take about .* GB"):
            getattr(table, part)
    assert set(vars(table)) <= {"operation", "operations", "modulus"}
    assert "10007" in repr(table)


def test_what_a_split_takes_is_estimated_from_above_and_not_by_far(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    monkeypatch.setattr(
        "rfm_tutorial.tasks.check_memory", lambda what, *rest: asked.append(rest[0])
    )
    for dtype in (torch.float32, torch.float64):
        for table in (ModularTask("add", 61), MultiTask(("add", "div"), 23)):
            asked.clear()
            split = table.split(0.5, dtype=dtype)
            made = sum(part.nbytes for part in split)
            assert made < asked[0] < 2 * made


def test_free_memory_is_a_number_of_bytes_of_this_machine() -> None:
    assert 1e7 < free_memory() < 1e15


def test_pairs_and_labels_are_made_once() -> None:
    for table in (ModularTask("mul", 7), MultiTask(("add", "sub"), 5)):
        assert table.pairs is table.pairs
        assert table.labels is table.labels


# Splits


@given(
    operation=st.sampled_from(sorted(MEANING)),
    modulus=st.sampled_from(PRIMES),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**63 - 1),
)
def test_a_split_is_a_partition_of_the_table(
    operation: str, modulus: int, fraction: float, seed: int
) -> None:
    task = ModularTask(operation, modulus)
    total = len(task.labels)
    if int(fraction * total) == 0:
        with pytest.raises(ValueError, match="at least one training row"):
            task.split(fraction, seed)
        return
    split = task.split(fraction, seed)
    assert len(split.y_train) == math.floor(fraction * total)
    pairs = torch.cat([split.pairs_train, split.pairs_test]).tolist()
    assert sorted(pairs) == task.pairs.tolist()
    label = dict(zip(map(tuple, task.pairs.tolist()), task.labels.tolist(), strict=True))
    for part in ("train", "test"):
        X, Y, y, digits = (getattr(split, f"{name}_{part}") for name in ("X", "Y", "y", "pairs"))
        assert torch.equal(X, task.encode(digits))
        assert y.tolist() == [label[pair] for pair in map(tuple, digits.tolist())]
        assert torch.equal(Y, one_hot(y, modulus))


@given(fraction=st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_a_part_is_never_empty_however_extreme_the_fraction(fraction: float) -> None:
    task = ModularTask("add", 5)
    if fraction * 25 < 1:
        with pytest.raises(ValueError, match="train_fraction must leave at least one"):
            task.split(fraction)
    else:
        split = task.split(fraction)
        assert len(split.y_train) > 0
        assert len(split.y_test) > 0


def test_the_largest_and_the_smallest_fraction() -> None:
    task = ModularTask("add", 61)
    assert len(task.split(math.nextafter(1, 0)).y_test) == 1
    with pytest.raises(ValueError, match="train_fraction must leave at least one training row"):
        task.split(math.nextafter(0, 1))


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    task = ModularTask("mul", 11)
    first, again, other = (
        task.split(0.5, 3),
        ModularTask("mul", 11).split(0.5, 3),
        task.split(0.5, 4),
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.pairs_train, other.pairs_train)


def test_a_larger_fraction_adds_rows_and_keeps_those_that_were_there() -> None:
    task = ModularTask("add", 11)
    small, large = task.split(0.3, 1), task.split(0.6, 1)
    assert torch.equal(large.pairs_train[: len(small.y_train)], small.pairs_train)


def test_a_split_neither_reads_nor_moves_the_global_generator() -> None:
    task = ModularTask("add", 11)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = task.split(0.5, 3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(123)
    assert torch.equal(task.split(0.5, 3).pairs_train, first.pairs_train)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_split_has_the_type_that_was_asked_for(dtype: torch.dtype) -> None:
    split = ModularTask("add", 5).split(dtype=dtype)
    assert {split.X_train.dtype, split.Y_train.dtype, split.X_test.dtype, split.Y_test.dtype} == {
        dtype
    }
    assert {split.y_train.dtype, split.y_test.dtype, split.pairs_train.dtype} == {torch.int64}
    assert torch.equal(split.X_train, ModularTask("add", 5).split().X_train.to(dtype))


def test_the_default_type_is_float64_whatever_torch_says() -> None:
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16)
    try:
        assert ModularTask("div", 5).split().X_train.dtype == torch.float64
    finally:
        torch.set_default_dtype(default)


@pytest.mark.parametrize("operation", ["add", "div"])
def test_a_table_and_its_split_are_on_the_cpu_whatever_the_default_device_says(
    operation: str,
) -> None:
    expected = ModularTask(operation, 5).split(seed=2)
    with torch.device("meta"):
        split = ModularTask(operation, 5).split(seed=2)
    assert all(torch.equal(a, b) for a, b in zip(split, expected, strict=True))


def test_a_split_is_on_the_device_that_was_asked_for() -> None:
    split = ModularTask("add", 5).split(device="meta")
    assert all(part.is_meta for part in split)
    assert split._fields == Split._fields


@pytest.mark.parametrize("fraction", [np.float64(0.5), np.float32(0.5)])
@pytest.mark.usefixtures("no_type_checks")
def test_numbers_of_numpy_serve_as_arguments(fraction: float) -> None:
    task = ModularTask("div", np.int64(7))  # pyright: ignore[reportArgumentType]
    assert task == ModularTask("div", 7)
    assert type(task.modulus) is int
    got = task.split(fraction, np.int64(3))  # pyright: ignore[reportArgumentType]
    expected = ModularTask("div", 7).split(0.5, 3)
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


def test_tasks_are_frozen_compare_by_value_and_survive_pickling() -> None:
    task = ModularTask("sub", 7)
    assert task == ModularTask("sub", 7)
    assert task != ModularTask("sub", 5)
    assert repr(task) == "ModularTask(operation='sub', modulus=7)"
    assert len({task, ModularTask("sub", 7), ModularTask("add", 7)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.modulus = 5  # pyright: ignore[reportAttributeAccessIssue]
    copy = pickle.loads(pickle.dumps(task))
    assert copy == task
    assert torch.equal(copy.labels, task.labels)


# Several operations at once


def test_a_table_of_several_operations_is_their_tables_one_below_the_other() -> None:
    names = ("add", "div", "x^3+xy")
    task = MultiTask(names, 7)
    tables = [ModularTask(name, 7) for name in names]
    assert torch.equal(task.pairs, torch.cat([table.pairs for table in tables]))
    assert torch.equal(task.labels, torch.cat([table.labels for table in tables]))
    assert task.tasks.tolist() == [t for t, table in enumerate(tables) for _ in table.labels]


@given(fraction=st.floats(0.05, 0.95), seed=st.integers(0, 2**31))
def test_a_split_of_several_operations_is_a_partition(fraction: float, seed: int) -> None:
    task = MultiTask(("add", "div"), 5)
    split = task.split(fraction, seed)
    X = torch.cat([split.X_train, split.X_test])
    y = torch.cat([split.y_train, split.y_test])
    table = task.encode(task.pairs, task.tasks)
    assert sorted(map(tuple, X.tolist())) == sorted(map(tuple, table.tolist()))
    label = dict(zip(map(tuple, table.tolist()), task.labels.tolist(), strict=True))
    assert y.tolist() == [label[row] for row in map(tuple, X.tolist())]


def test_an_input_of_several_operations_ends_with_the_number_of_the_task() -> None:
    task = MultiTask(("add", "sub", "mul"), 5)
    X = task.encode(torch.tensor([[3, 4]]), torch.tensor([2]))
    assert X.nonzero()[:, 1].tolist() == [3, 5 + 4, 10 + 2]
    assert X.shape == (1, 13)


# Primes


# The last: strong pseudoprimes to the first eleven and twelve primes.
@pytest.mark.parametrize(
    ("number", "prime"),
    [
        (2**61 - 1, True),
        (10**18 + 9, True),
        (2**61 + 1, False),
        (3215031751, False),
        (3825123056546413051, False),
        (318665857834031151167461, False),
        (np.int64(2**61 - 1), True),
    ],
)
@pytest.mark.usefixtures("no_type_checks")
def test_large_primes_are_told_from_composites(number: int, prime: bool) -> None:
    assert is_prime(number) is prime


@pytest.mark.usefixtures("no_type_checks")
@pytest.mark.parametrize("number", [7.0, "7", None, True, torch.tensor(7)])
def test_only_whole_numbers_are_prime_or_not(number: object) -> None:
    with pytest.raises(ValueError, match="number must be an integer, got"):
        is_prime(number)  # pyright: ignore[reportArgumentType]


def test_primes_are_those_of_a_sieve() -> None:
    sieve = [True] * 2000
    for n in range(2, 2000):
        if sieve[n]:
            sieve[2 * n :: n] = [False] * len(sieve[2 * n :: n])
    assert [n for n in range(2, 2000) if is_prime(n)] == [n for n in range(2, 2000) if sieve[n]]
    assert not any(is_prime(n) for n in (-7, -1, 0, 1, 41 * 43, 10**10))
    assert is_prime(2**31 - 1)


@given(n=st.integers(4, 5000))
def test_a_composite_is_refused_with_the_primes_on_either_side(n: int) -> None:
    if is_prime(n):
        assert check_prime("p", n, "this") == n
        return
    with pytest.raises(ValueError, match="p must be prime for this") as caught:
        check_prime("p", n, "this")
    below, above = (int(word) for word in str(caught.value).split("are ")[1].split(" and "))
    assert is_prime(below)
    assert is_prime(above)
    assert below < n < above
    assert not any(is_prime(between) for between in range(below + 1, above))


# Tables of one's own


@given(
    rows=st.lists(st.lists(st.integers(-1, 9), min_size=4, max_size=4), min_size=4, max_size=4),
    seed=st.integers(0, 2**31),
)
def test_any_table_is_a_task(rows: list[list[int]], seed: int) -> None:
    cells = [([a, b], rows[a][b]) for a in range(4) for b in range(4) if rows[a][b] >= 0]
    if not cells:
        with pytest.raises(ValueError, match="table must have labels from 0 on"):
            Task.from_table(torch.tensor(rows))
        return
    task = Task.from_table(torch.tensor(rows))
    assert task.pairs.tolist() == [pair for pair, _ in cells]
    assert task.labels.tolist() == [label for _, label in cells]
    assert task.n_classes == max(label for _, label in cells) + 1
    if len(cells) < 2:
        return
    split = task.split(0.5, seed)
    for part in ("train", "test"):
        X, Y, y, digits = (getattr(split, f"{name}_{part}") for name in ("X", "Y", "y", "pairs"))
        assert torch.equal(X, task.encode(digits))
        assert torch.equal(Y, one_hot(y, task.n_classes))
        assert [rows[a][b] for a, b in digits.tolist()] == y.tolist()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_table_of_an_operation_gives_the_same_splits(operation: str) -> None:
    task = ModularTask(operation, 7)
    own = Task.from_table(task.table)
    assert isinstance(task, Task)
    assert torch.equal(own.pairs, task.pairs)
    assert torch.equal(own.split(0.4, 3).X_train, task.split(0.4, 3).X_train)
    assert torch.equal(own.split(0.4, 3).y_test, task.split(0.4, 3).y_test)


def test_a_task_keeps_its_table_and_survives_pickling() -> None:
    table = torch.tensor([[0, 5], [-1, 1]])
    task = Task.from_table(table)
    table.zero_()
    assert task.labels.tolist() == [0, 5, 1]
    assert repr(task) == "Task(2 digits, 6 classes, 3 pairs)"
    assert torch.equal(pickle.loads(pickle.dumps(task)).table, task.table)


@pytest.mark.usefixtures("no_type_checks")
@pytest.mark.parametrize(
    ("table", "said"),
    [
        (torch.zeros(2, 3).long(), r"table must have shape \(m, m\), got \(2, 3\)"),
        (torch.zeros(4).long(), r"table must have shape \(m, m\), got \(4,\)"),
        (torch.zeros(0, 0).long(), r"table must have shape \(m, m\), got \(0, 0\)"),
        (torch.zeros(2, 2), r"must be int64 labels, got torch.float32; table.long\(\) converts"),
        (torch.full((2, 2), -2), "where there is none, got values from -2 to -2"),
        (torch.full((2, 2), -1), "table must have labels from 0 on"),
        (torch.zeros(2, 2, device="meta").long(), "table must hold numbers"),
    ],
)
def test_what_is_no_table_of_labels_is_refused(table: torch.Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Task.from_table(table)
    with pytest.raises(TypeError, match=r"table must be a torch\.Tensor, got list"):
        Task.from_table([[0]])  # pyright: ignore[reportArgumentType]


# Data that are no table


@given(n=st.integers(2, 40), fraction=st.floats(0.5, 0.95), seed=st.integers(0, 2**31))
def test_a_split_of_a_dataset_is_a_partition(n: int, fraction: float, seed: int) -> None:
    X = torch.arange(3.0 * n).reshape(n, 3)
    y = torch.arange(n) % 4
    split = Dataset(X, y, 5).split(fraction, seed)
    assert len(split.X_train) == int(fraction * n)
    rows = torch.cat([split.X_train, split.X_test])
    order = rows[:, 0].argsort()
    assert torch.equal(rows[order], X)
    assert torch.equal(torch.cat([split.y_train, split.y_test])[order], y)
    assert torch.equal(torch.cat([split.Y_train, split.Y_test])[order].argmax(1), y)
    assert split.Y_test.shape[1] == 5
    assert split.pairs_train.shape == (len(split.X_train), 0)


def test_a_split_of_a_dataset_keeps_its_type_unless_another_is_asked_for() -> None:
    data = Dataset(torch.ones(4, 2), torch.tensor([0, 1, 0, 1]), 2)
    assert data.split().X_train.dtype == torch.float32
    assert data.split(dtype=torch.float64).Y_test.dtype == torch.float64
    assert data.split(device="meta").X_train.is_meta
    assert repr(data) == "Dataset(X=float32 (4, 2), y=int64 (4,), n_classes=2)"


def test_a_dataset_and_a_task_of_the_same_rows_are_cut_alike() -> None:
    task = ModularTask("add", 5)
    data = Dataset(task.encode(task.pairs), task.labels, task.n_classes)
    for one, other in zip(data.split(0.3, 4)[:6], task.split(0.3, 4), strict=False):
        assert torch.equal(one, other)


@pytest.mark.usefixtures("no_type_checks")
@pytest.mark.parametrize(
    ("X", "y", "n_classes", "said"),
    [
        (torch.ones(3), torch.tensor([0, 1, 0]), 2, r"X must have 2 dimensions, got shape \(3,\)"),
        (torch.ones(3, 1), torch.tensor([0, 1]), 2, r"y must have shape \(3,\), got \(2,\)"),
        (torch.ones(2, 1), torch.tensor([0.0, 1]), 2, r"y must be int64 class numbers"),
        (torch.ones(2, 1), torch.tensor([0, 2]), 2, "y must lie in 0 … 1, got values from 0 to 2"),
        (torch.ones(2, 1), torch.tensor([0, 0]), 0, "n_classes must be an integer ≥ 1, got 0"),
        (torch.ones(2, 1) / 0, torch.tensor([0, 0]), 1, "X must be finite"),
    ],
)
def test_what_is_no_dataset_is_refused(
    X: torch.Tensor, y: torch.Tensor, n_classes: int, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Dataset(X, y, n_classes)


def test_a_split_says_its_shapes() -> None:
    assert repr(ModularTask("add", 7).split(0.5)) == (
        "Split(X_train=float64 (24, 14), Y_train=float64 (24, 7), y_train=int64 (24,), "
        "X_test=float64 (25, 14), Y_test=float64 (25, 7), y_test=int64 (25,), "
        "pairs_train=int64 (24, 2), pairs_test=int64 (25, 2))"
    )
    assert "float64 (24, 14) on meta" in repr(ModularTask("add", 7).split(device="meta"))
