"""Several operations in one table, polynomials, and what RFM makes of them."""

import pytest
import torch

from rfm_tutorial.circulant import project_circulant, project_hankel
from rfm_tutorial.gradient_sums import _cheapest_method, kernel_agop
from rfm_tutorial.gradients import agop, predictor_agop
from rfm_tutorial.kernel_ridge import KernelRidge
from rfm_tutorial.kernels import GaussianKernel, LaplaceKernel, QuadraticKernel
from rfm_tutorial.linalg import SingularKernelError
from rfm_tutorial.metrics import accuracy
from rfm_tutorial.rfm import RFM
from rfm_tutorial.shared_ones import find_groups
from rfm_tutorial.tasks import ModularTask, MultiTask

PLAIN = {
    "add": lambda a, b, p: (a + b) % p,
    "sub": lambda a, b, p: (a - b) % p,
    "mul": lambda a, b, p: a * b % p,
    "div": lambda a, b, p: a * pow(b, -1, p) % p,
    "x^2+y^2": lambda a, b, p: (a**2 + b**2) % p,
    "x^2+xy+y^2": lambda a, b, p: (a**2 + a * b + b**2) % p,
    "x^3+xy": lambda a, b, p: (a**3 + a * b) % p,
}


# The table --------------------------------------------------------------------------------------


def test_table_is_one_operation_after_another():
    names = ("sub", "div", "x^3+xy")
    task = MultiTask(names, 7)
    expected = [
        (a, b, t, PLAIN[name](a, b, 7))
        for t, name in enumerate(names)
        for a in range(7)
        for b in range(7)
        if name != "div" or b != 0
    ]
    columns = torch.cat([task.pairs, task.tasks[:, None], task.labels[:, None]], dim=1)
    assert columns.tolist() == [list(row) for row in expected]
    assert columns.dtype == torch.int64


def test_one_operation_is_the_modular_task_with_a_constant_input():
    single, multi = ModularTask("mul", 11), MultiTask(("mul",), 11)
    for expected, found in zip(single.split(seed=3), multi.split(seed=3), strict=True):
        if found.shape[1:] == (23,):
            assert bool((found[:, 22] == 1).all())
            found = found[:, :22]
        assert torch.equal(expected, found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_split_is_a_seeded_cut_of_the_whole_table(dtype):
    task = MultiTask(("add", "sub"), 7)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    split = task.split(train_fraction=0.3, seed=2, dtype=dtype)
    assert torch.equal(torch.get_rng_state(), state)
    assert split.X_train.shape == (29, 16)
    assert split.X_test.shape == (69, 16)
    assert split.X_train.dtype == split.Y_test.dtype == dtype
    X, y = torch.cat([split.X_train, split.X_test]), torch.cat([split.y_train, split.y_test])
    assert bool((X.sum(1) == 3).all())
    digits = [part.argmax(1) for part in (X[:, :7], X[:, 7:14], X[:, 14:])]
    rows = torch.stack([*digits, y], dim=1)
    pairs = torch.cat([split.pairs_train, split.pairs_test])
    assert torch.equal(rows[:, :2], pairs)
    table = torch.cat([task.pairs, task.tasks[:, None], task.labels[:, None]], dim=1)
    assert sorted(rows.tolist()) == sorted(table.tolist())
    assert torch.equal(split.Y_train.argmax(1), split.y_train)
    again, other = (task.split(train_fraction=0.3, seed=seed, dtype=dtype) for seed in (2, 3))
    assert torch.equal(split.X_train, again.X_train)
    assert not torch.equal(split.X_train, other.X_train)


@pytest.mark.parametrize(
    ("operations", "modulus", "message"),
    [
        ((), 7, "operations must be a tuple of different names"),
        (("add", "add"), 7, "operations must be a tuple of different names"),
        (("add", "times"), 7, "operation must be one of 'add', .*, got 'times'"),
        (("add", "div"), 8, "modulus must be prime for 'div', got 8; the nearest primes are 7 and"),
        (("add",), 1, "modulus must be an integer ≥ 2, got 1"),
    ],
)
def test_errors(operations, modulus, message):
    with pytest.raises(ValueError, match=message):
        MultiTask(operations, modulus)


def test_split_errors():
    with pytest.raises(ValueError, match="train_fraction must lie strictly between 0 and 1"):
        MultiTask(("add", "sub"), 7).split(train_fraction=1.0)
    with pytest.raises(ValueError, match=r"dtype must be torch.float32 or torch.float64"):
        MultiTask(("add", "sub"), 7).split(dtype=torch.float16)


# Three ones per row in the AGOP -----------------------------------------------------------------


@pytest.mark.parametrize("kernel", [GaussianKernel(2.5), LaplaceKernel(2.5)])
@pytest.mark.parametrize("center", [False, True])
def test_agop_with_a_task_digit_is_that_of_autograd(kernel, center):
    split = MultiTask(("add", "sub"), 7).split()
    model = KernelRidge(kernel).fit(split.X_train, split.Y_train)
    # Autograd knows no gradient at the cusp of the Laplace kernel, so it is asked elsewhere.
    X = split.X_test
    expected = agop(model.predict, X, center=center)
    found = predictor_agop(model, X, center=center)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)
    groups = find_groups(split.X_train)
    assert groups is not None
    assert groups.columns is not None
    assert groups.columns.shape == (49, 3)
    grouped = kernel_agop(
        kernel,
        model.centers_,
        model.dual_coef_,
        None,
        X,
        center=center,
        groups=groups,
        method="grouped",
    )
    torch.testing.assert_close(grouped, expected, rtol=1e-11, atol=1e-13)


# What is learned --------------------------------------------------------------------------------


def neither(block):
    """Share of a block, less its mean, that is neither circulant nor Hankel."""
    block = block - block.mean()
    rest = block - project_circulant(block) - project_hankel(block)
    return float(rest.square().sum() / block.square().sum())


def test_rfm_learns_a_circulant_and_a_hankel_part_but_not_the_two_tasks():
    """Test rows get the answer of the other operation, whose row is in the training set."""
    p = 31
    task = MultiTask(("add", "sub"), p)
    split = task.split()
    steps = list(RFM(GaussianKernel(2.5), n_iterations=20).iterate(split.X_train, split.Y_train))
    early, step = steps[3], steps[20]
    assert neither(early.feature_matrix[:p, p : 2 * p]) > 0.8
    assert neither(step.feature_matrix[:p, p : 2 * p]) < 0.5
    assert accuracy(step.predict(split.X_train), split.y_train) == 1.0
    scores = step.predict(split.X_test)
    a, b = split.pairs_test.T
    added = split.X_test[:, 2 * p] == 1
    other = torch.where(added, a - b, a + b) % p
    assert accuracy(scores, split.y_test) < 0.2
    assert accuracy(scores, other) > 0.5


def test_a_model_of_degree_two_cannot_fit_both_tasks():
    """It sums functions of two of (a, b, task) each, and none of them can switch the operation."""
    split = MultiTask(("add", "sub"), 13).split()
    X, Y = split.X_train, split.Y_train
    with pytest.raises(SingularKernelError, match="singular"):
        KernelRidge(QuadraticKernel()).fit(X, Y)
    products = (X[:, :, None] * X[:, None, :]).reshape(len(X), -1)
    best = products @ torch.linalg.pinv(products) @ Y
    assert float((best - Y).square().sum() / Y.square().sum()) > 0.05
    gaussian = KernelRidge(GaussianKernel(2.5)).fit(X, Y)
    torch.testing.assert_close(gaussian.predict(X), Y, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kernel", [GaussianKernel(2.5), QuadraticKernel()])
def test_a_sum_of_squares_is_learned_up_to_signs_and_swap_only(kernel):
    p = 31
    split = ModularTask("x^2+y^2", p).split(train_fraction=0.4)
    *_, step = RFM(kernel, n_iterations=20).iterate(split.X_train, split.Y_train)
    right = step.predict(split.X_test).argmax(1) == split.y_test
    seen = torch.zeros(p, p, dtype=torch.bool)
    a, b = split.pairs_train.T
    for sign_a in (1, -1):
        for sign_b in (1, -1):
            seen[sign_a * a % p, sign_b * b % p] = True
            seen[sign_b * b % p, sign_a * a % p] = True
    follows = seen[split.pairs_test[:, 0], split.pairs_test[:, 1]]
    assert int((~follows).sum()) > 20
    assert float(right[follows].double().mean()) > 0.9
    assert float(right[~follows].double().mean()) < 0.1


def test_a_cubic_is_not_learned():
    split = ModularTask("x^3+xy", 31).split()
    *_, step = RFM(GaussianKernel(2.5), n_iterations=20).iterate(split.X_train, split.Y_train)
    assert accuracy(step.predict(split.X_train), split.y_train) == 1.0
    assert accuracy(step.predict(split.X_test), split.y_test) < 0.08


def test_the_fast_path_is_taken_and_the_loop_stays_positive_semidefinite() -> None:
    # A task digit stands in half of the rows; every other column in far fewer.
    split = MultiTask(("add", "sub"), 31).split(0.8)
    groups = find_groups(split.X_train)
    assert groups is not None
    assert sorted(groups.crowded) == [62, 63]
    assert _cheapest_method(len(split.X_train), split.X_train, 31, groups) == "grouped"
    *_, last = RFM(GaussianKernel(2.5), n_iterations=3).iterate(split.X_train, split.Y_train)
    assert last.iteration == 3


def test_the_same_cells_can_be_shown_for_every_task() -> None:
    task = MultiTask(("add", "div"), 7)  # 49 cells, 7 of which ÷ does not have
    split = task.split(0.6, seed=3, same_cells=True)
    train, test = ({tuple(pair) for pair in pairs.tolist()} for pairs in split[6:])
    assert not train & test
    assert len(train) == int(0.6 * 49)
    assert len(split.y_train) + len(split.y_test) == len(task.labels)
    for X, y, pairs in (
        (split.X_train, split.y_train, split[6]),
        (split.X_test, split.y_test, split[7]),
    ):
        names = X[:, 14:].argmax(dim=1)
        assert torch.equal(X, task.encode(pairs, names))
        for number, name in enumerate(task.operations):
            mine, table = names == number, ModularTask(name, 7).table
            assert torch.equal(table[tuple(pairs[mine].T)], y[mine])
    own = task.split(0.6, seed=3)
    assert {tuple(pair) for pair in own[6].tolist()} & {tuple(pair) for pair in own[7].tolist()}
    assert torch.equal(task.split(0.6, seed=3, same_cells=False).X_train, own.X_train)
