"""Number theory against sympy, circulant structure against scipy, and what learned features do."""

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
import sympy
import torch
from helpers import normal
from hypothesis import given
from hypothesis import strategies as st
from sympy.ntheory import discrete_log, is_primitive_root
from sympy.ntheory import primitive_root as sympy_primitive_root
from torch import Tensor

from rfm_tutorial import RFM, GaussianKernel, KernelRidge, ModularTask, QuadraticKernel, accuracy
from rfm_tutorial.circulant import (
    arrange_block,
    circulant_block,
    circulant_deviation,
    circulant_matrix,
    hankel_matrix,
    impose_circulant,
    project_circulant,
    project_hankel,
    restore_block,
)
from rfm_tutorial.features import (
    EIGENVALUE_FLOOR,
    block_features,
    random_block_features,
    random_circulant_features,
)
from rfm_tutorial.number_theory import (
    discrete_log_order,
    discrete_log_table,
    is_prime,
    primitive_root,
)
from rfm_tutorial.operations import GROUP_OPERATIONS
from rfm_tutorial.structure import agop_alignment

PRIMES = list(sympy.primerange(2, 1010))
SMALL_PRIMES = [2, 3, 5, 7, 11, 13]
KERNELS = [GaussianKernel(2.5), QuadraticKernel()]
POLYNOMIALS = ["x^2+y^2", "x^2+xy+y^2", "x^3+xy"]


# ── Number theory ─────────────────────────────────────────────────────────────────────────────


def test_primitive_root_is_the_smallest_one_for_every_prime_to_1009() -> None:
    assert [primitive_root(p) for p in PRIMES] == [sympy_primitive_root(p) for p in PRIMES]


# Around 2³¹, where a product of two digits no longer fits in int32, and around 2³², where it no
# longer fits in int64; then two safe primes, whose p − 1 has a large factor.
@pytest.mark.parametrize(
    "p",
    [2**31 - 1, 2_147_483_659, 3_037_000_507, 4_294_967_291, 4_294_967_311, 10_000_000_019,
     4_294_967_087, 100_000_000_103],
)  # fmt: skip
def test_primitive_root_beyond_the_range_of_int64_products(p: int) -> None:
    assert sympy.isprime(p)
    root = primitive_root(p)
    assert is_primitive_root(root, p)
    assert not any(is_primitive_root(smaller, p) for smaller in range(1, root))


def test_a_primitive_root_of_a_prime_without_small_factors_is_found_at_once() -> None:
    # (p − 1) / 2 is prime, too: trial division would take a billion steps.
    p = 10**18 + 3107
    while not (is_prime(p) and is_prime((p - 1) // 2)):
        p += 2
    root = primitive_root(p)
    assert pow(root, (p - 1) // 2, p) == p - 1
    assert all(pow(smaller, (p - 1) // 2, p) == 1 or smaller == 1 for smaller in range(1, root))


def test_discrete_log_order_lists_the_powers_of_the_root_for_every_prime_to_1009() -> None:
    for p in PRIMES:
        g = int(sympy_primitive_root(p) or 0)
        order = discrete_log_order(p)
        assert order.tolist() == [pow(g, k, p) for k in range(p - 1)]
        assert order.dtype == torch.int64


@pytest.mark.parametrize("p", [7, 41, 61, 97])
def test_any_primitive_root_gives_an_order_and_nothing_else_does(p: int) -> None:
    for root in range(1, p):
        if is_primitive_root(root, p):
            order = discrete_log_order(p, root)
            assert sorted(order.tolist()) == list(range(1, p))
            assert torch.equal(order[1:], order[:-1] * root % p)
        else:
            with pytest.raises(
                ValueError, match=f"root must be a primitive root of {p}, got {root}"
            ):
                discrete_log_order(p, root)


def test_a_root_is_taken_modulo_p() -> None:
    assert torch.equal(discrete_log_order(61, 2 + 61), discrete_log_order(61, 2))


@pytest.mark.parametrize("p", [3, 7, 61, 97])
def test_discrete_log_table_is_the_inverse_of_the_order(p: int) -> None:
    table, g = discrete_log_table(p), primitive_root(p)
    assert table[0] == -1
    assert table[1:].tolist() == [discrete_log(p, digit, g) for digit in range(1, p)]
    assert torch.equal(table[discrete_log_order(p)], torch.arange(p - 1))


def test_multiplying_digits_adds_their_logarithms() -> None:
    p, table = 61, discrete_log_table(61)
    for operation, sign in (("mul", 1), ("div", -1)):
        task = ModularTask(operation, p)
        rows = (task.pairs != 0).all(1)
        i, j = table[task.pairs[rows]].unbind(1)
        assert torch.equal(table[task.labels[rows]], (i + sign * j) % (p - 1))


@pytest.mark.parametrize("function", [primitive_root, discrete_log_order, discrete_log_table])
@pytest.mark.parametrize("p", [1, 0, -7, 60, 7.0, "7", True])
def test_only_primes_have_primitive_roots(function, p, no_type_checks: None) -> None:
    message = "the nearest primes are 59 and 61" if p == 60 else "p must be an integer ≥ 2"
    with pytest.raises(ValueError, match=message):
        function(p)


@pytest.mark.parametrize("root", [0, 61, -2, 2.0, "2"])
def test_a_root_that_is_none_is_refused(root, no_type_checks: None) -> None:
    with pytest.raises(ValueError, match="root must be"):
        discrete_log_order(61, root)


# ── Circulant and Hankel matrices ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_circulant_and_hankel_matrices_are_those_of_scipy(n: int, dtype: torch.dtype) -> None:
    row = normal(n, dtype=dtype)
    # scipy is given the first column of a circulant and the first column and last row of a Hankel.
    assert np.array_equal(circulant_matrix(row), scipy.linalg.circulant(row.numpy()).T)
    expected = scipy.linalg.hankel(row.numpy(), np.roll(row.numpy(), 1))
    assert np.array_equal(hankel_matrix(row), expected)
    assert circulant_matrix(row).dtype == hankel_matrix(row).dtype == dtype
    assert torch.equal(hankel_matrix(row).flip(1), circulant_matrix(row.flip(0)))


def projection_oracle(block: Tensor, basis_of: str) -> Tensor:
    """Least squares on a basis of all circulant, or all Hankel, matrices, built by scipy."""
    n = len(block)
    unit = np.eye(n)
    if basis_of == "circulant":
        basis = [scipy.linalg.circulant(e) for e in unit]
    else:
        basis = [scipy.linalg.hankel(e, np.roll(e, 1)) for e in unit]
    A = np.stack([matrix.ravel() for matrix in basis], axis=1)
    best = np.linalg.lstsq(A, block.numpy().ravel(), rcond=None)[0]
    return torch.from_numpy((A @ best).reshape(n, n))


@pytest.mark.parametrize(
    ("project", "kind"), [(project_circulant, "circulant"), (project_hankel, "Hankel")]
)
@given(n=st.integers(1, 9), seed=st.integers(0, 100))
def test_a_projection_is_the_nearest_matrix_of_its_kind(project, kind, n, seed) -> None:
    block = normal(n, n, seed=seed)
    nearest = project(block)
    torch.testing.assert_close(nearest, projection_oracle(block, kind))
    torch.testing.assert_close(project(nearest), nearest)


@given(n=st.integers(1, 9), seed=st.integers(0, 100), scale=st.sampled_from([-3.0, 1e-8, 1e6]))
def test_deviation_is_the_share_that_the_projection_removes(n, seed, scale) -> None:
    block = normal(n, n, seed=seed)
    expected = float((block - projection_oracle(block, "circulant")).square().sum())
    expected /= float(block.square().sum())
    assert circulant_deviation(block) == pytest.approx(expected, abs=1e-12)
    assert circulant_deviation(block * scale) == pytest.approx(expected, abs=1e-12)


def test_deviation_as_it_is_defined() -> None:
    """Row ℓ moved ℓ places; squared deviations of the columns from their means, over ‖A‖²."""
    A = normal(7, 7).numpy()
    moved = np.stack([np.roll(row, -place) for place, row in enumerate(A)])
    expected = ((moved - moved.mean(axis=0)) ** 2).sum() / (A**2).sum()
    assert circulant_deviation(torch.from_numpy(A)) == pytest.approx(expected, rel=1e-12)


def test_deviation_of_the_two_extremes() -> None:
    row = normal(61)
    assert circulant_deviation(circulant_matrix(row)) < 1e-30
    assert circulant_deviation(circulant_matrix(row.float())) < 1e-12
    assert circulant_deviation(normal(61, 61)) == pytest.approx(1 - 1 / 61, abs=0.01)
    # A Hankel matrix is as far from circulant as noise is, and the same the other way round.
    assert circulant_deviation(hankel_matrix(row - row.mean())) == pytest.approx(1, abs=1e-12)


def test_a_zero_block_has_no_deviation_and_no_alignment() -> None:
    assert math.isnan(circulant_deviation(torch.zeros(3, 3)))
    assert math.isnan(agop_alignment(torch.zeros(3, 3), torch.eye(3)))
    assert math.isnan(circulant_deviation(circulant_block(torch.eye(14).double(), "add")))


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e200, 1e307])
def test_measures_of_matrices_whose_squares_are_no_numbers(scale: float) -> None:
    block, other = normal(5, 5), normal(5, 5, seed=1)
    # A scale of 1e-310 has lost digits itself.
    allowed = 1e-3 if scale < 1e-300 else 1e-12
    expected = circulant_deviation(block)
    assert circulant_deviation(block * scale) == pytest.approx(expected, rel=allowed)
    expected = agop_alignment(block, other)
    for left, right in (
        (block * scale, other),
        (block, other * scale),
        (block * scale, other * scale),
    ):
        assert agop_alignment(left, right) == pytest.approx(expected, rel=allowed)


def test_powers_of_two_change_no_bit_of_a_measure() -> None:
    block, other = normal(5, 5), normal(5, 5, seed=1)
    assert circulant_deviation(block * 2.0**90) == circulant_deviation(block)
    assert agop_alignment(block * 2.0**-90, other) == agop_alignment(block, other)


def test_an_alignment_is_never_beyond_one() -> None:
    for seed in range(200):
        M = normal(3, 3, seed=seed)
        assert agop_alignment(M, M) <= 1
        assert agop_alignment(M, -3 * M) >= -1


def test_there_is_nothing_to_measure_on_the_meta_device() -> None:
    block = normal(4, 4).to("meta")
    for name, call in {
        "block": lambda: circulant_deviation(block),
        "M": lambda: agop_alignment(block, block),
    }.items():
        with pytest.raises(ValueError, match=f"{name} must hold numbers"):
            call()


def test_alignment_is_the_cosine_of_two_vectors() -> None:
    A, B = normal(4, 6, seed=1), normal(4, 6, seed=2)
    a, b = A.numpy().ravel(), B.numpy().ravel()
    expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert agop_alignment(A, B) == pytest.approx(expected, rel=1e-12)
    assert agop_alignment(A, -3 * A) == pytest.approx(-1, rel=1e-12)
    assert agop_alignment(A.float() * 1e-18, A.float()) == pytest.approx(1, rel=1e-6)


# ── Arranging the digits ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("p", SMALL_PRIMES)
@pytest.mark.parametrize("operation", [*GROUP_OPERATIONS, *POLYNOMIALS])
def test_arranging_takes_the_entry_of_each_pair_of_digits(operation: str, p: int) -> None:
    block = normal(p, p)
    digits = [pow(primitive_root(p), k, p) for k in range(p - 1)]
    if operation not in ("mul", "div"):
        digits = list(range(p))
    columns = digits[::-1] if operation in ("sub", "div") else digits
    expected = [[float(block[a, b]) for b in columns] for a in digits]
    assert arrange_block(block, operation).tolist() == expected


# On which number of a and b the learned coupling of two digits depends.
COUPLING = {
    "add": lambda p, a, b: (b - a) % p,
    "sub": lambda p, a, b: (b + a) % p,
    "mul": lambda p, a, b: b * pow(a, -1, p) % p,
    "div": lambda p, a, b: b * a % p,
}


@pytest.mark.parametrize("operation", GROUP_OPERATIONS)
def test_each_operation_has_its_own_structure_arranged_as_circulant(operation: str) -> None:
    p = 31
    values = normal(p)
    M = torch.zeros(2 * p, 2 * p, dtype=torch.float64)
    first = 1 if operation in ("mul", "div") else 0
    for a, b in itertools.product(range(first, p), repeat=2):
        M[a, p + b] = M[p + b, a] = values[COUPLING[operation](p, a, b)]
    for arranged_as in GROUP_OPERATIONS:
        deviation = circulant_deviation(circulant_block(M, arranged_as))
        assert deviation < 1e-28 if arranged_as == operation else deviation > 0.8


@pytest.mark.parametrize("p", SMALL_PRIMES)
@pytest.mark.parametrize("operation", [*GROUP_OPERATIONS, *POLYNOMIALS])
def test_restoring_undoes_arranging(operation: str, p: int) -> None:
    block = normal(p, p)
    arranged = arrange_block(block, operation)
    natural = restore_block(arranged, operation)
    assert torch.equal(arrange_block(natural, operation), arranged)
    if operation in ("mul", "div"):
        block[0] = block[:, 0] = 0
    assert torch.equal(natural, block)


def test_the_block_is_the_upper_right_one_and_another_root_may_be_asked_for() -> None:
    M = normal(14, 14)
    assert torch.equal(circulant_block(M, "add"), M[:7, 7:])
    assert torch.equal(
        circulant_block(M, "mul", root=5), M[:7, 7:][[1, 5, 4, 6, 2, 3]][:, [1, 5, 4, 6, 2, 3]]
    )
    learned = random_circulant_features("mul", 61)
    for root in (2, 6, 59):
        assert circulant_deviation(circulant_block(learned, "mul", root)) < 1e-28


def test_add_and_sub_take_any_modulus() -> None:
    assert arrange_block(normal(12, 12), "sub").shape == (12, 12)
    assert random_circulant_features("add", 12).shape == (24, 24)


# ── Making features ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("make", [random_circulant_features, random_block_features])
@pytest.mark.parametrize("operation", GROUP_OPERATIONS)
def test_random_features_are_psd_and_seeded(operation: str, make, dtype: torch.dtype) -> None:
    M = make(operation, 13, seed=3, dtype=dtype)
    assert M.shape == (26, 26)
    assert M.dtype == dtype
    assert torch.equal(M, M.T)
    eigenvalues = torch.linalg.eigvalsh(M.double())
    assert float(eigenvalues[0]) > 1e-3
    assert float(eigenvalues[-1]) == pytest.approx(1, abs=1e-6)
    assert torch.equal(M, make(operation, 13, seed=3, dtype=torch.float64).to(dtype))
    assert not torch.equal(M, make(operation, 13, seed=4, dtype=dtype))
    deviation = circulant_deviation(circulant_block(M, operation))
    assert deviation < 1e-12 if make is random_circulant_features else deviation > 0.7


def test_random_features_leave_the_global_generator_alone() -> None:
    state = torch.random.get_rng_state()
    random_circulant_features("add", 7)
    random_block_features("add", 7)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("operation", GROUP_OPERATIONS)
def test_all_four_blocks_are_circulant_and_zero_stands_alone(operation: str) -> None:
    p = 13
    M = random_circulant_features(operation, p)
    for rows, columns in itertools.product((slice(0, p), slice(p, 2 * p)), repeat=2):
        arranged_as = operation
        if rows == columns:
            arranged_as = "mul" if operation in ("mul", "div") else "add"
        assert circulant_deviation(arrange_block(M[rows, columns], arranged_as)) < 1e-28
    if operation in ("mul", "div"):
        others = [digit for digit in range(2 * p) if digit not in (0, p)]
        assert not M[0, others].any()
        assert not M[p, others].any()
        assert M[0, p] == 0
        assert float(M[0, 0]) == pytest.approx(float(M.diagonal()[others].mean()))


def eigenvalue_recipe(block: Tensor) -> Tensor:
    """The three steps of the docstring, on the eigenvalues of the whole matrix."""
    n = len(block)
    zero = np.zeros((n, n))
    H = np.block([[zero, block.numpy()], [block.numpy().T, zero]])
    values, vectors = np.linalg.eigh(H)
    mean = np.abs(values).mean()
    values = np.maximum(values + mean / 2, EIGENVALUE_FLOOR * mean)
    return torch.from_numpy(vectors @ np.diag(values / values.max()) @ vectors.T)


@given(n=st.integers(2, 8), seed=st.integers(0, 50), flat=st.booleans())
def test_block_features_are_made_as_the_docstring_says(n: int, seed: int, flat: bool) -> None:
    block = torch.linalg.qr(normal(n, n, seed=seed))[0] if flat else normal(n, n, seed=seed)
    M = block_features(block, "add")
    torch.testing.assert_close(M, eigenvalue_recipe(block))
    # Singular vectors stay: the block that comes out commutes with the one that went in.
    product = block.T @ M[:n, n:]
    torch.testing.assert_close(product, product.T)


def test_the_wanted_block_is_what_comes_out_but_for_its_strongest_frequencies() -> None:
    row = normal(61)
    block = circulant_matrix(row)
    got = circulant_block(block_features(block, "add"), "add")
    assert agop_alignment(got, block) > 0.98
    asked, came = (torch.fft.fft(matrix[0]) for matrix in (block, got))
    ratio = came / asked
    assert float(ratio.imag.abs().max()) < 1e-12
    ratio = ratio.real / ratio.real.max()
    weak = asked.abs() <= 0.49 * asked.abs().mean()
    torch.testing.assert_close(ratio[weak], torch.ones_like(ratio[weak]))
    assert bool((ratio > 0.5).all())


# ── Imposing the structure ────────────────────────────────────────────────────────────────────


def mean_over_the_group(M: Tensor, operation: str) -> Tensor:
    """The mean of PMPᵀ over all permutations that move both digits, one digit pair at a time."""
    p = len(M) // 2
    multiplicative = operation in ("mul", "div")
    moves = []
    for step in range(1, p) if multiplicative else range(p):
        if operation == "add":
            a, b = [(d + step) % p for d in range(p)], [(d + step) % p for d in range(p)]
        elif operation == "sub":
            a, b = [(d + step) % p for d in range(p)], [(d - step) % p for d in range(p)]
        else:
            other = step if operation == "mul" else pow(step, -1, p)
            a, b = [d * step % p for d in range(p)], [d * other % p for d in range(p)]
        moves.append(torch.tensor(a + [p + digit for digit in b]))
    return torch.stack([M[move][:, move] for move in moves]).mean(0)


@pytest.mark.parametrize("p", [3, 7, 11])
@pytest.mark.parametrize("operation", GROUP_OPERATIONS)
def test_imposing_is_the_mean_over_the_symmetries_of_the_operation(operation: str, p: int) -> None:
    A = normal(2 * p, p)
    M = A @ A.T
    imposed = impose_circulant(M, operation)
    torch.testing.assert_close(imposed, mean_over_the_group(M, operation))
    assert torch.equal(imposed, imposed.T)
    assert float(torch.linalg.eigvalsh(imposed)[0]) > -1e-12 * float(M.trace())
    torch.testing.assert_close(impose_circulant(imposed, operation), imposed)
    assert circulant_deviation(circulant_block(imposed, operation)) < 1e-26
    # Nearest: what is taken away is orthogonal to every matrix that has the symmetry.
    other = impose_circulant(A @ torch.diag(normal(p).square()) @ A.T, operation)
    assert float(((M - imposed) * other).sum()) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("operation", GROUP_OPERATIONS)
def test_imposing_leaves_its_argument_alone_and_keeps_the_dtype(operation: str) -> None:
    M = torch.eye(14) + 0.1
    before = M.clone()
    assert impose_circulant(M, operation).dtype == torch.float32
    assert torch.equal(M, before)


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["add", "mul"])
def test_imposed_structure_needs_less_data(operation: str) -> None:
    """p = 31, 45 % of the table: a run by itself gets somewhere, an imposed one further."""
    reached = {"plain": [], "imposed": []}
    for seed in range(2):
        split = ModularTask(operation, 31).split(0.45, seed)
        for name, callback in (
            ("plain", None),
            ("imposed", lambda M: impose_circulant(M, operation)),
        ):
            rfm = RFM(GaussianKernel(2.5), n_iterations=18)
            rfm.fit(split.X_train, split.Y_train, on_features=callback, progress=False)
            reached[name].append(accuracy(rfm.predict(split.X_test), split.y_test))
    assert min(reached["imposed"]) > max(reached["plain"]) + 0.05


# ── What the paper observes ───────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize(
    ("p", "operation", "kernel"),
    [
        *((31, operation, kernel) for operation in GROUP_OPERATIONS for kernel in KERNELS),
        *((43, operation, KERNELS[0]) for operation in GROUP_OPERATIONS),
    ],
    ids=str,
)
def test_progress_is_seen_before_the_accuracy_moves(p: int, operation: str, kernel) -> None:
    split = ModularTask(operation, p).split(0.5, seed=0)
    steps = list(RFM(kernel, n_iterations=16).iterate(split.X_train, split.Y_train))
    accuracies = [accuracy(step.predict(split.X_test), split.y_test) for step in steps]
    matrices = [step.feature_matrix for step in steps]
    leaves = next(t for t, value in enumerate(accuracies) if value > accuracies[0] + 0.05)
    assert 8 <= leaves <= 14
    deviation = [circulant_deviation(circulant_block(M, operation)) for M in matrices]
    alignment = [agop_alignment(M, matrices[-1]) for M in matrices]
    # The quadratic kernel's first update couples all digits alike: a constant block is circulant
    # and says nothing, so its deviation is looked at from step 2 on.
    first = 1 if kernel.radial else 2
    falls = [after - before for before, after in itertools.pairwise(deviation[first : leaves + 1])]
    rises = [after - before for before, after in itertools.pairwise(alignment[: leaves + 1])]
    assert max(falls) < 0.0
    assert min(rises) > -0.002
    assert deviation[first] > 0.55
    assert deviation[leaves] < 0.25
    assert alignment[leaves] - alignment[0] > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("operation", GROUP_OPERATIONS)
def test_random_circulant_features_generalise_and_nothing_else_does(operation, kernel) -> None:
    p = 61
    split = ModularTask(operation, p).split(0.5, seed=0)

    def test_accuracy(M: Tensor) -> float:
        model = KernelRidge(kernel).fit(split.X_train, split.Y_train, M)
        return accuracy(model.predict(split.X_test), split.y_test)

    assert test_accuracy(random_circulant_features(operation, p)) >= 0.99
    assert test_accuracy(torch.eye(2 * p).double()) <= 0.05
    assert test_accuracy(random_block_features(operation, p)) <= 0.05
    wrong = {"add": "sub", "sub": "add", "mul": "div", "div": "mul"}[operation]
    assert test_accuracy(random_circulant_features(wrong, p)) <= 0.05


def test_features_of_the_other_group_do_not_help_either() -> None:
    split = ModularTask("add", 61).split(0.5, seed=0)
    for other in ("mul", "div"):
        M = random_circulant_features(other, 61)
        model = KernelRidge(QuadraticKernel()).fit(split.X_train, split.Y_train, M)
        assert accuracy(model.predict(split.X_test), split.y_test) <= 0.05


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_shuffled_labels_never_generalise(kernel) -> None:
    p = 31
    split = ModularTask("add", p).split(0.5, seed=0)
    order = torch.randperm(p * p, generator=torch.Generator().manual_seed(0))
    labels = torch.cat([split.y_train, split.y_test])[order]
    y_train, y_test = labels.split([len(split.y_train), len(split.y_test)])
    Y_train = torch.eye(p).double()[y_train]
    fixed = KernelRidge(kernel).fit(split.X_train, Y_train, random_circulant_features("add", p))
    assert accuracy(fixed.predict(split.X_train), y_train) == 1.0
    assert accuracy(fixed.predict(split.X_test), y_test) < 0.08
    for step in RFM(kernel, n_iterations=15).iterate(split.X_train, Y_train):
        assert accuracy(step.predict(split.X_test), y_test) < 0.08


# ── Errors ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: circulant_block(torch.eye(7), "add"), r"M must have an even number of rows"),
        (lambda: circulant_block(torch.eye(14), "plus"), "operation must be one of 'add', 'sub'"),
        (lambda: circulant_block(torch.zeros(14, 12), "add"), "M must be square"),
        (lambda: circulant_block(torch.eye(24), "mul"), "must be prime for 'mul', got 12"),
        (lambda: circulant_block(torch.eye(14), "mul", root=2), "primitive root of 7, got 2"),
        (lambda: arrange_block(torch.eye(8), "div"), "the nearest primes are 7 and 11"),
        (lambda: restore_block(torch.eye(7), "mul"), "7 rows of block \\+ 1, must be prime"),
        (lambda: circulant_deviation(torch.ones(3)), "block must have 2 dimensions"),
        (lambda: circulant_deviation(torch.ones(3, 2)), "block must be square"),
        (lambda: circulant_deviation(torch.ones(3, 3).long()), "block must be float32 or float64"),
        (lambda: project_circulant(torch.full((2, 2), torch.nan)), "block must be finite"),
        (lambda: project_hankel(torch.ones(3, 2)), "block must be square"),
        (lambda: agop_alignment(torch.eye(3), torch.eye(4)), "reference must have 3 columns"),
        (lambda: agop_alignment(torch.eye(3), torch.eye(3).double()), "reference is torch.float64"),
        (lambda: circulant_matrix(torch.eye(3)), "row must have 1 dimension"),
        (lambda: circulant_matrix(torch.ones(0)), "row must not be empty"),
        (lambda: hankel_matrix(torch.arange(3)), "row must be float32 or float64"),
        (lambda: impose_circulant(torch.eye(14), "x^2+y^2"), "operation must be one of 'add'"),
        (lambda: impose_circulant(normal(14, 14), "add"), "M must be symmetric"),
        (lambda: impose_circulant(torch.eye(24), "div"), "must be prime for 'div', got 12"),
        (lambda: block_features(torch.zeros(5, 5), "add"), "block must not be zero"),
        (lambda: block_features(torch.eye(5), "x^3+xy"), "operation must be one of"),
        (lambda: random_circulant_features("div", 60), "modulus must be prime for 'div', got 60"),
        (lambda: random_circulant_features("pow", 61), "operation must be one of"),
        (lambda: random_circulant_features("add", 1), "modulus must be an integer ≥ 2, got 1"),
        (lambda: random_circulant_features("add", 7, seed=-1), "seed must be an integer ≥ 0"),
        (lambda: random_block_features("add", 7, dtype=torch.int64), "dtype must be torch.float32"),
    ],
)
def test_a_wrong_argument_is_named(call, message: str, no_type_checks: None) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("function", [circulant_matrix, circulant_deviation, project_circulant])
def test_something_else_than_a_tensor_is_a_type_error(function, no_type_checks: None) -> None:
    with pytest.raises(TypeError, match=r"must be a torch\.Tensor, got ndarray"):
        function(np.eye(3))
