"""The solve and the matrix power, against scipy and scikit-learn, and what they refuse."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from helpers import KERNELS_OF_THE_PACKAGE, difference, feature_matrix, normal, rows
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rfm_tutorial import (
    KernelRidge,
    LaplaceKernel,
    ModularTask,
    QuadraticKernel,
    SingularKernelError,
    psd_power,
)
from rfm_tutorial.kernels import Kernel
from rfm_tutorial.linalg import Workspace, solve_positive_definite

both_types = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["32", "64"])
every_kernel = pytest.mark.parametrize(
    "kernel", KERNELS_OF_THE_PACKAGE, ids=lambda kernel: type(kernel).__name__
)


def positive_definite(n: int, seed: int = 0) -> Tensor:
    A = normal(n, n, seed=seed)
    return A @ A.T + torch.eye(n, dtype=A.dtype)


# The solve


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 2.0])
@pytest.mark.parametrize(("n", "c"), [(1, 1), (5, 1), (30, 7)])
def test_the_solution_is_that_of_scipy(n: int, c: int, ridge: float) -> None:
    A, B = positive_definite(n), normal(n, c, seed=1)
    expected = scipy.linalg.solve(A.numpy() + ridge * np.eye(n), B.numpy(), assume_a="pos")
    assert difference(solve_positive_definite(A, B, ridge), expected) < 1e-12


@every_kernel
@pytest.mark.parametrize("ridge", [0.01, 1.0])
def test_kernel_ridge_predicts_what_scikit_learn_predicts(kernel: Kernel, ridge: float) -> None:
    X, Y, X_new = rows("dense"), normal(18, 3, seed=5), rows("dense", seed=9)
    M = feature_matrix("dense", 6)
    model = KernelRidge(kernel, ridge).fit(X, Y, M)
    # Here, because it takes long to be imported, by each process that shares the tests.
    from sklearn.kernel_ridge import KernelRidge as SklearnKernelRidge

    oracle = SklearnKernelRidge(kernel="precomputed").set_params(alpha=ridge)
    oracle.fit(kernel(X, X, M).numpy(), Y.numpy())
    assert difference(model.dual_coef_, oracle.dual_coef_) < 1e-9
    assert difference(model.predict(X_new), oracle.predict(kernel(X_new, X, M).numpy())) < 1e-9


@pytest.mark.parametrize("ridge", [0.0, 0.1, 1e-30, 1e6])
def test_the_matrix_is_left_bit_for_bit_as_it_came(ridge: float) -> None:
    A = positive_definite(9) * math.pi
    copy = A.clone()
    solve_positive_definite(A, normal(9, 2), ridge)
    assert torch.equal(A, copy)


def test_the_matrix_is_left_as_it_came_when_it_is_singular() -> None:
    A = torch.ones(4, 4, dtype=torch.float64)
    with pytest.raises(SingularKernelError):
        solve_positive_definite(A, normal(4, 2))
    assert torch.equal(A, torch.ones(4, 4, dtype=torch.float64))


def test_only_the_lower_triangle_is_read() -> None:
    A, B = positive_definite(8), normal(8, 2)
    garbage = A.tril() + torch.full((8, 8), math.nan, dtype=A.dtype).triu(1)
    assert torch.equal(solve_positive_definite(garbage, B), solve_positive_definite(A, B))
    with pytest.raises(SingularKernelError, match="duplicates"):
        solve_positive_definite(garbage - A + torch.ones_like(A), B)


@pytest.mark.parametrize(("n", "c"), [(1, 1), (7, 1), (7, 3)])
def test_a_solution_lies_row_by_row_in_memory_of_its_own(n: int, c: int) -> None:
    Z = solve_positive_definite(positive_definite(n), normal(c, n, seed=1).T)
    # The step over a single column, too: BLAS looks at it, though torch calls both contiguous.
    assert Z.stride() == (c, 1)
    assert Z.untyped_storage().nbytes() == Z.nbytes


def test_a_solution_too_large_for_its_type_is_refused() -> None:
    A, B = torch.eye(3) * 1e-30, torch.full((3, 1), 1e20)
    with pytest.raises(ValueError, match=r"targets are too large for torch.float32"):
        solve_positive_definite(A, B)


def test_a_ridge_too_large_for_the_type_is_named() -> None:
    with pytest.raises(ValueError, match=r"ridge must be finite in torch.float32"):
        solve_positive_definite(torch.eye(3), torch.ones(3, 1), 1e300)
    Z = solve_positive_definite(torch.eye(3).double(), torch.ones(3, 1).double(), 1e300)
    torch.testing.assert_close(Z, torch.full_like(Z, 1e-300), rtol=1e-12, atol=0)


def test_right_hand_sides_stay_as_they_came() -> None:
    A, B = positive_definite(8), normal(8, 2)
    copy = B.clone()
    solve_positive_definite(A, B)
    assert torch.equal(B, copy)


def test_a_workspace_changes_no_result_and_no_earlier_one() -> None:
    work = Workspace()
    first = solve_positive_definite(positive_definite(8), normal(8, 2), workspace=work)
    kept = first.clone()
    smaller = solve_positive_definite(positive_definite(5, 1), normal(5, 3), workspace=work)
    larger = solve_positive_definite(positive_definite(11, 2), normal(11, 1), workspace=work)
    assert torch.equal(first, kept)
    assert torch.equal(smaller, solve_positive_definite(positive_definite(5, 1), normal(5, 3)))
    assert torch.equal(larger, solve_positive_definite(positive_definite(11, 2), normal(11, 1)))


def test_a_workspace_hands_out_the_same_memory_until_more_or_another_kind_is_asked_for() -> None:
    work, like = Workspace(), torch.zeros(0, dtype=torch.float64)
    first = work.empty("a", 4, 6, like=like)
    assert first.shape == (4, 6)
    assert first.dtype == torch.float64
    again = work.empty("a", 3, 5, like=like)
    assert again.shape == (3, 5)
    assert again.is_contiguous()
    assert again.data_ptr() == first.data_ptr()
    assert work.empty("b", 4, 6, like=like).data_ptr() != first.data_ptr()
    assert work.empty("a", 5, 5, like=like).shape == (5, 5)
    assert work.empty("a", 2, 2, like=like.float()).dtype == torch.float32
    assert work.empty("b", 2, 2, like=like.to("meta")).is_meta


# Singular systems: a row that repeats another has the exact pivot 0.


def duplicated(n: int, kind: str, seed: int) -> Tensor:
    """n rows, the last or an earlier one equal to another."""
    if kind == "one-hot pairs":
        modulus = 5 + math.isqrt(2 * n)
        X = ModularTask("add", modulus).split(0.6, seed).X_train[:n].clone()
    else:
        # Wide enough for the quadratic kernel matrix of distinct rows to have full rank.
        X = normal(n, 4 + math.isqrt(2 * n), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randperm(n, generator=generator)[:2]
    X[second] = X[first]
    return X


@every_kernel
@both_types
@pytest.mark.parametrize("kind", ["one-hot pairs", "dense"])
@pytest.mark.parametrize("features", ["none", "dense"])
def test_a_duplicated_row_without_a_ridge_is_always_refused(
    kernel: Kernel, dtype: torch.dtype, kind: str, features: str
) -> None:
    for seed, n in enumerate([2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 64, 65, 100, 128, 200, 300, 500]):
        X = duplicated(n, kind, seed).to(dtype)
        M = feature_matrix(features, X.shape[1])
        with pytest.raises(SingularKernelError, match="ask for a ridge"):
            KernelRidge(kernel).fit(X, normal(n, 2, dtype=dtype), M if M is None else M.to(dtype))


@every_kernel
@both_types
def test_a_duplicated_row_with_a_ridge_is_solved(kernel: Kernel, dtype: torch.dtype) -> None:
    X = duplicated(40, "dense", 0).to(dtype)
    model = KernelRidge(kernel, ridge=0.1).fit(X, normal(40, 2, dtype=dtype))
    assert bool(torch.isfinite(model.dual_coef_).all())


@every_kernel
@both_types
@pytest.mark.parametrize("operation", ["add", "sub", "mul", "div"])
def test_training_tables_are_far_from_being_refused(
    kernel: Kernel, dtype: torch.dtype, operation: str
) -> None:
    X = ModularTask(operation, 23).split(0.5, dtype=dtype).X_train
    K = kernel(X, X)
    pivots = torch.linalg.cholesky(K).diagonal() ** 2 / K.diagonal()
    assert float(pivots.min()) > 1000 * torch.finfo(dtype).eps


def test_rows_that_the_feature_matrix_cannot_tell_apart_are_refused() -> None:
    split = ModularTask("add", 7).split(0.5)
    first_digit_only = torch.diag(torch.tensor([1.0] * 7 + [0.0] * 7, dtype=torch.float64))
    with pytest.raises(SingularKernelError, match="hides what rows 0 and 3 differ by"):
        KernelRidge(LaplaceKernel()).fit(split.X_train, split.Y_train, first_digit_only)


def test_a_row_of_zeros_under_the_quadratic_kernel_is_refused() -> None:
    X = torch.cat([torch.eye(3), torch.zeros(1, 3)])
    with pytest.raises(SingularKernelError):
        KernelRidge(QuadraticKernel()).fit(X, torch.ones(4, 1))


def test_a_ridge_too_small_for_the_precision_does_not_hide_a_singular_matrix() -> None:
    X = duplicated(20, "dense", 0).float()
    with pytest.raises(SingularKernelError):
        KernelRidge(LaplaceKernel(), ridge=1e-12).fit(X, normal(20, 1, dtype=torch.float32))


def test_the_error_suggests_a_ridge_that_works_at_this_precision() -> None:
    for dtype in (torch.float32, torch.float64):
        X, Y = duplicated(50, "one-hot pairs", 1).to(dtype), normal(50, 2, dtype=dtype)
        with pytest.raises(SingularKernelError) as caught:
            KernelRidge(LaplaceKernel()).fit(X, Y)
        assert str(dtype) in str(caught.value)
        ridge = float(str(caught.value).rpartition("ridge=")[2])
        KernelRidge(LaplaceKernel(), ridge=ridge).fit(X, Y)


def test_a_kernel_matrix_that_overflows_is_not_called_a_duplicate() -> None:
    X = torch.cat([normal(6, 4, dtype=torch.float32) * 1e15, torch.ones(1, 4)])
    with pytest.raises((ValueError, SingularKernelError), match="finite") as caught:
        KernelRidge(QuadraticKernel()).fit(X, torch.ones(7, 1))
    assert "duplicates" not in str(caught.value)


def test_the_error_is_one_of_linear_algebra() -> None:
    assert issubclass(SingularKernelError, torch.linalg.LinAlgError)  # pyright: ignore[reportPrivateImportUsage]


# The matrix power


@pytest.mark.parametrize("d", [1, 2, 9])
@pytest.mark.parametrize("power", [0.25, 0.5, 1.0, 1.5, 2.0])
def test_a_power_is_that_of_scipy(d: int, power: float) -> None:
    G = positive_definite(d)
    assert difference(psd_power(G, power), scipy.linalg.fractional_matrix_power(G, power)) < 1e-12
    if power == 0.5:
        assert difference(psd_power(G, power), np.asarray(scipy.linalg.sqrtm(G.numpy()))) < 1e-12


@given(rank=st.integers(1, 6), power=st.floats(0.1, 3), seed=st.integers(0, 100))
def test_a_power_of_a_singular_matrix_has_powers_of_its_eigenvalues(
    rank: int, power: float, seed: int
) -> None:
    A = normal(6, rank, seed=seed)
    G = A @ A.T
    values = np.maximum(scipy.linalg.eigvalsh(G.numpy()), 0)
    # A rounding error of 1e-16 has the root 1e-8.
    allowed = 1e-8 if power > 0.5 else (1e-15 * values[-1]) ** power * 10
    got = scipy.linalg.eigvalsh(psd_power(G, power).numpy())
    np.testing.assert_allclose(
        got, values**power, rtol=1e-9, atol=allowed * max(1, values[-1] ** power)
    )


@both_types
def test_the_root_times_itself_is_the_matrix(dtype: torch.dtype) -> None:
    for rank in (2, 6):
        A = normal(6, rank, dtype=dtype)
        G = A @ A.T
        root = psd_power(G, 0.5)
        assert root.dtype == dtype
        assert difference(root @ root, G) < (1e-5 if dtype == torch.float32 else 1e-13)
        assert difference(root, root.T) < (1e-5 if dtype == torch.float32 else 1e-13)


def test_powers_add_up() -> None:
    G = positive_definite(7)
    torch.testing.assert_close(psd_power(psd_power(G, 0.5), 0.5), psd_power(G, 0.25))
    torch.testing.assert_close(psd_power(G, 0.3) @ psd_power(G, 0.7), G)


@given(size=st.sampled_from([1e-300, 1e-150, 1e-20, 1e20, 1e150, 1e300]))
def test_the_size_of_a_matrix_passes_through_its_root(size: float) -> None:
    G = positive_definite(4)
    torch.testing.assert_close(
        psd_power(G * size, 0.5) / math.sqrt(size), psd_power(G, 0.5), rtol=1e-9, atol=1e-9
    )


def test_a_matrix_of_zeros_has_a_root_of_zeros() -> None:
    assert torch.equal(psd_power(torch.zeros(3, 3), 0.5), torch.zeros(3, 3))


def test_eigenvalues_negative_by_rounding_count_as_zero() -> None:
    G = torch.diag(torch.tensor([1.0, -1e-15, 0.25], dtype=torch.float64))
    root = torch.diag(torch.tensor([1.0, 0.0, 0.5], dtype=torch.float64))
    # Not their size: the root of 1e-15 is 3e-8.
    torch.testing.assert_close(psd_power(G, 0.5), root, rtol=0, atol=1e-12)


@pytest.mark.parametrize("lowest", [-1e-9, -0.5, -2.0])
def test_a_matrix_with_a_negative_eigenvalue_is_refused_not_projected(lowest: float) -> None:
    G = torch.diag(torch.tensor([1.0, lowest, 0.25], dtype=torch.float64))
    with pytest.raises(
        ValueError, match=f"positive semidefinite, got eigenvalues from {lowest:.3g}"
    ):
        psd_power(G, 0.5)


def test_numbers_without_digits_are_no_negative_eigenvalues() -> None:
    tiny = torch.finfo(torch.float32).tiny
    G = torch.diag(torch.tensor([1e-44, -4e-45, tiny]))
    assert bool((psd_power(G, 0.5) >= 0).all())
    with pytest.raises(ValueError, match="positive semidefinite"):
        psd_power(torch.diag(torch.tensor([-10 * tiny, tiny, tiny])), 0.5)


def test_a_power_that_overflows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"power must leave numbers that are finite.* got 1000 "):
        psd_power(positive_definite(3), 1000.0)


def test_a_power_leaves_its_argument_as_it_came() -> None:
    G = positive_definite(5)
    copy = G.clone()
    psd_power(G, 0.5)
    assert torch.equal(G, copy)


def test_a_power_can_be_differentiated() -> None:
    G = positive_definite(4).requires_grad_()
    assert torch.autograd.gradcheck(lambda A: psd_power((A + A.T) / 2, 0.5), (G,))
