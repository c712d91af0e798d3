"""The contract of all kernels, and what single kernels promise beyond it.

Every test that takes a `case` runs for every line of `helpers.CASES`, two of which are kernels that
only the tests define.
"""

import dataclasses
import math
import pickle
import re
import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import Literal

import numpy as np
import pytest
import torch
from helpers import (
    CASES,
    CASES_OF_THE_PACKAGE,
    KERNELS_OF_THE_PACKAGE,
    KINDS_OF_ROWS,
    Case,
    RationalQuadraticKernel,
    difference,
    feature_matrix,
    normal,
    plain_values,
    plain_weights,
    rows,
    tolerance,
)
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    KernelRidge,
    LaplaceKernel,
    ModularTask,
    QuadraticKernel,
)
from rfm_tutorial.kernels import InnerProductKernel, Kernel, RadialKernel
from rfm_tutorial.linalg import psd_power

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_kind = pytest.mark.parametrize("kind", KINDS_OF_ROWS)
every_matrix = pytest.mark.parametrize("features", ["none", "dense", "singular"])
both_types = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["32", "64"])


@every_case
@every_kind
@every_matrix
@both_types
class TestFormulas:
    def test_values_follow_the_formula(
        self, case: Case, kind: str, features: str, dtype: torch.dtype
    ) -> None:
        X, Z = rows(kind).to(dtype), rows(kind, seed=1)[:9].to(dtype)
        M = feature_matrix(features, X.shape[1])
        K = case.kernel(X, Z, None if M is None else M.to(dtype))
        assert K.dtype == dtype
        assert difference(K, plain_values(case, X, Z, M)) < tolerance(dtype)

    def test_weights_follow_the_formula(
        self, case: Case, kind: str, features: str, dtype: torch.dtype
    ) -> None:
        # Rows of two kinds: where only rounding says whether x = z under M, no weight is right.
        X, Z = rows(kind).to(dtype), (rows(kind, seed=1)[:9] + normal(9, 1, seed=2)).to(dtype)
        M = feature_matrix(features, X.shape[1])
        W = case.kernel.derivative_weights(X, Z, None if M is None else M.to(dtype))
        assert W.dtype == dtype
        assert difference(W, plain_weights(case, X, Z, M)) < tolerance(dtype)


@every_case
class TestContract:
    @every_kind
    @every_matrix
    def test_a_kernel_matrix_is_symmetric_and_has_no_negative_eigenvalue(
        self, case: Case, kind: str, features: str
    ) -> None:
        X = rows(kind)
        K = case.kernel(X, X, feature_matrix(features, X.shape[1]))
        largest = float(K.abs().max())
        assert float((K - K.T).abs().max()) < 1e-13 * largest
        assert float(torch.linalg.eigvalsh(K)[0]) > -1e-12 * largest

    def test_the_roles_of_x_and_z_can_be_exchanged(self, case: Case) -> None:
        X, Z, M = rows("dense"), rows("dense", seed=1)[:5], feature_matrix("dense", 6)
        torch.testing.assert_close(case.kernel(X, Z, M), case.kernel(Z, X, M).T)
        torch.testing.assert_close(
            case.kernel.derivative_weights(X, Z, M), case.kernel.derivative_weights(Z, X, M).T
        )

    @every_kind
    def test_no_feature_matrix_means_the_identity(self, case: Case, kind: str) -> None:
        X, Z = rows(kind), rows(kind, seed=1)[:7]
        identity = torch.eye(X.shape[1], dtype=X.dtype)
        torch.testing.assert_close(case.kernel(X, Z), case.kernel(X, Z, identity))
        torch.testing.assert_close(
            case.kernel.derivative_weights(X, Z), case.kernel.derivative_weights(X, Z, identity)
        )

    @pytest.mark.parametrize("features", ["dense", "singular"])
    def test_a_feature_matrix_is_a_linear_map_by_its_root(
        self, case: Case, features: Literal["dense", "singular"]
    ) -> None:
        X, Z, M = rows("dense"), rows("dense", seed=1)[:5], feature_matrix(features, 6)
        root = psd_power(M, 0.5)
        torch.testing.assert_close(case.kernel(X, Z, M), case.kernel(X @ root, Z @ root))

    @every_matrix
    def test_gradients_from_the_weights_equal_those_of_autograd(
        self, case: Case, features: str
    ) -> None:
        X, Z, M = rows("dense")[:6], rows("dense", seed=1)[:5], feature_matrix(features, 6)
        weights = case.kernel.derivative_weights(X, Z, M)
        directions = Z - X[:, None, :] if case.kernel.radial else Z.expand(len(X), -1, -1)
        expected = weights[:, :, None] * (directions if M is None else directions @ M)
        # (6, 5, 6, 6): of every value in every row; a value depends on its own row only.
        jacobian = torch.func.jacrev(lambda x: case.kernel(x, Z, M))(X)
        own = jacobian.diagonal(dim1=0, dim2=2).permute(2, 0, 1)
        torch.testing.assert_close(own, expected)
        torch.testing.assert_close(jacobian.abs().sum(), own.abs().sum())

    def test_gradients_in_both_inputs_pass_a_finite_difference_check(self, case: Case) -> None:
        X, Z = rows("dense")[:3].requires_grad_(), rows("dense", seed=1)[:4].requires_grad_()
        M = feature_matrix("dense", 6)
        assert torch.autograd.gradcheck(lambda x, z: case.kernel(x, z, M), (X, Z))

    def test_gradients_where_points_coincide_are_finite(self, case: Case) -> None:
        X = rows("one-hot pairs").requires_grad_()
        case.kernel(X, X.detach()).sum().backward()
        assert X.grad is not None
        assert bool(torch.isfinite(X.grad).all())

    @every_matrix
    def test_a_value_does_not_depend_on_the_other_rows(self, case: Case, features: str) -> None:
        X, Z = rows("dense"), rows("dense", seed=1)[:8]
        M = feature_matrix(features, 6)
        K = case.kernel(X, Z, M)
        torch.testing.assert_close(case.kernel(X[3:4], Z, M), K[3:4])
        torch.testing.assert_close(case.kernel(X, Z[5:6], M), K[:, 5:6])
        torch.testing.assert_close(case.kernel(X[:2], Z[2:], M), K[:2, 2:])

    @every_matrix
    def test_inputs_stay_as_they_came(self, case: Case, features: str) -> None:
        given = rows("dense"), rows("dense", seed=1), feature_matrix(features, 6)
        tensors = [tensor for tensor in given if tensor is not None]
        copies = [tensor.clone() for tensor in tensors]
        case.kernel(*given)
        case.kernel.derivative_weights(*given)
        assert all(torch.equal(*pair) for pair in zip(tensors, copies, strict=True))

    def test_views_give_the_same_values(self, case: Case) -> None:
        X, Z, M = rows("dense"), rows("dense", seed=1), feature_matrix("dense", 6)
        strided = torch.stack([X, X + 1], dim=2)[:, :, 0]
        assert not strided.is_contiguous()
        torch.testing.assert_close(
            case.kernel(strided, Z.T.contiguous().T, M.T), case.kernel(X, Z, M)
        )
        torch.testing.assert_close(case.kernel(X[::2], Z[3:], M), case.kernel(X, Z, M)[::2, 3:])

    def test_one_row_and_one_column_are_enough(self, case: Case) -> None:
        x, z = normal(1, 1), normal(1, 1, seed=1)
        assert difference(case.kernel(x, z), plain_values(case, x, z)) < 1e-12
        assert difference(case.kernel.derivative_weights(x, z), plain_weights(case, x, z)) < 1e-12

    def test_values_may_use_a_given_buffer(self, case: Case) -> None:
        X, Z, M = rows("dense"), rows("dense", seed=1), feature_matrix("dense", 6)
        buffer = torch.full((len(X), len(Z)), math.nan, dtype=X.dtype)
        values = case.kernel.values(X, Z, M, out=buffer)
        torch.testing.assert_close(values, case.kernel(X, Z, M))

    def test_slopes_from_known_values_equal_slopes_from_scratch(self, case: Case) -> None:
        X, Z, M = rows("dense"), rows("dense", seed=1), feature_matrix("dense", 6)
        values = case.kernel.values(X, Z, M)
        copy = values.clone()
        slopes = case.kernel.slopes(X, Z, M, values)
        torch.testing.assert_close(slopes, case.kernel.slopes(X, Z, M))
        assert torch.equal(values, copy)

    def test_profile_and_slope_are_the_kernel_of_one_variable(self, case: Case) -> None:
        kernel, r = case.kernel, normal(4, 7).abs()
        assert isinstance(kernel, RadialKernel | InnerProductKernel)
        argument = r**2 if kernel.radial else r
        assert difference(kernel.profile(argument.clone()), case.value(r.numpy())) < 1e-14
        slope = kernel.slope(argument.clone()) * kernel.slope_scale
        assert difference(slope, case.weight(r.numpy())) < 1e-14

    def test_instances_are_frozen_hashable_and_survive_pickling(self, case: Case) -> None:
        kernel = case.kernel
        assert pickle.loads(pickle.dumps(kernel)) == kernel
        assert hash(pickle.loads(pickle.dumps(kernel))) == hash(kernel)
        for parameter in dataclasses.fields(kernel):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(kernel, parameter.name, 1.0)

    def test_tensors_that_require_gradients_bring_no_warning(self, case: Case) -> None:
        X, M = rows("dense").requires_grad_(), feature_matrix("dense", 6).requires_grad_()
        with warnings.catch_warnings():
            torch.set_warn_always(True)
            warnings.simplefilter("error")
            try:
                K = case.kernel(X, X, M)
                case.kernel.derivative_weights(X, X, M)
            finally:
                torch.set_warn_always(False)
        assert K.requires_grad


# Where x = z the Laplace kernel has a cusp. Its weight there is 0, not a huge number that rounding
# makes of 1/0.


def with_duplicates(X: Tensor) -> Tensor:
    return torch.cat([X, X[:5], X[2:3]])


@both_types
@every_matrix
@pytest.mark.parametrize("kind", KINDS_OF_ROWS)
@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_a_laplace_weight_is_exactly_0_at_its_own_centre_and_at_duplicates(
    dtype: torch.dtype, features: str, kind: str, shift: float
) -> None:
    X = with_duplicates(rows(kind)).to(dtype) + shift
    M = feature_matrix(features, X.shape[1])
    M = M if M is None else M.to(dtype)
    W = LaplaceKernel(2.5).derivative_weights(X, X, M)
    equal = (X[:, None, :] == X[None, :, :]).all(2)
    assert bool((W[equal] == 0).all())
    assert bool(torch.isfinite(W).all())
    assert float(W.max()) < 1e3


@both_types
def test_a_laplace_weight_is_0_between_rows_that_the_feature_matrix_cannot_tell_apart(
    dtype: torch.dtype,
) -> None:
    split = ModularTask("add", 7).split(0.5, dtype=dtype)
    X = split.X_train
    first_digit_only = torch.diag(torch.tensor([1.0] * 7 + [0.0] * 7, dtype=dtype))
    W = LaplaceKernel(2.5).derivative_weights(X, X, first_digit_only)
    same = split.pairs_train[:, None, 0] == split.pairs_train[None, :, 0]
    assert bool((W[same] == 0).all())
    assert bool((W[~same] > 0).all())


@pytest.mark.parametrize("apart", [1e-2, 1e-4, 1e-6])
def test_a_laplace_weight_is_not_0_between_rows_that_are_close(apart: float) -> None:
    x = normal(1, 5)
    z = x + apart * torch.nn.functional.normalize(normal(1, 5, seed=1))
    weight = float(LaplaceKernel(2.5).derivative_weights(x, torch.cat([z, z + 3]))[0, 0])
    assert weight == pytest.approx(1 / (2.5 * apart), rel=1e-2)


@both_types
def test_a_laplace_value_is_exactly_1_at_its_own_centre(dtype: torch.dtype) -> None:
    X = with_duplicates(rows("dense")).to(dtype)
    K = LaplaceKernel(2.5)(X, X, feature_matrix("dense", 6).to(dtype))
    assert bool((K.diagonal() == 1).all())


# Scale


@given(scale=st.floats(0.01, 100))
def test_a_gaussian_sees_distances_in_units_of_its_bandwidth(scale: float) -> None:
    X, M = rows("dense"), feature_matrix("dense", 6)
    K = GaussianKernel(2.5)(X, X, M)
    torch.testing.assert_close(GaussianKernel(2.5 * scale)(X, X, M * scale**2), K)
    torch.testing.assert_close(GaussianKernel(2.5 * scale)(X * scale, X * scale, M), K)


@given(scale=st.floats(0.01, 100))
def test_a_laplace_sees_distances_in_units_of_its_bandwidth(scale: float) -> None:
    X, M = rows("dense"), feature_matrix("dense", 6)
    K = LaplaceKernel(2.5)(X, X, M)
    torch.testing.assert_close(LaplaceKernel(2.5 * scale)(X, X, M * scale**2), K)


@pytest.mark.parametrize(
    "kernel", [GaussianKernel(1e-25), LaplaceKernel(1e-45), QuadraticKernel(1e40)]
)
def test_a_scale_that_single_precision_cannot_hold_is_named(kernel: Kernel) -> None:
    X = rows("dense")
    one = X.float()
    message = re.escape(f"{kernel} does not fit torch.float32: its gradients are multiplied by")
    for refused in (
        lambda: kernel(one, one),
        lambda: kernel.derivative_weights(one, one),
        lambda: KernelRidge(kernel).fit(one, one),
        lambda: RFM(kernel).iterate(one, one),
    ):
        with pytest.raises(ValueError, match=message):
            refused()
    assert bool(torch.isfinite(kernel(X, X)).all())


@given(scale=st.floats(0.01, 100))
def test_a_quadratic_is_proportional_to_its_scale(scale: float) -> None:
    X, M = rows("dense"), feature_matrix("dense", 6)
    torch.testing.assert_close(
        QuadraticKernel(scale)(X, X, M), QuadraticKernel(1.0)(X, X, M) * scale
    )
    torch.testing.assert_close(
        QuadraticKernel(scale).derivative_weights(X, X, M),
        QuadraticKernel(1.0).derivative_weights(X, X, M) * scale,
    )


@given(shift=st.floats(-100, 100))
def test_a_radial_kernel_does_not_see_where_the_origin_is(shift: float) -> None:
    X, M = rows("dense"), feature_matrix("dense", 6)
    for case in CASES:
        if case.kernel.radial:
            torch.testing.assert_close(
                case.kernel(X + shift, X[:4] + shift, M),
                case.kernel(X, X[:4], M),
                rtol=1e-9,
                atol=1e-7,
            )


@both_types
@pytest.mark.parametrize("kernel", [GaussianKernel, LaplaceKernel])
@pytest.mark.parametrize("size", [1e-18, 1e-6, 1.0, 1e6, 1e18])
def test_radial_values_lie_between_0_and_1_at_any_size_of_the_data(
    kernel: type[GaussianKernel | LaplaceKernel], size: float, dtype: torch.dtype
) -> None:
    X = rows("dense").to(dtype) * size
    K = kernel(2.5)(X, X)
    assert float(K.min()) >= 0
    assert float(K.max()) <= 1 + 10 * torch.finfo(dtype).eps
    torch.testing.assert_close(K.diagonal(), torch.ones(len(X), dtype=dtype))


@pytest.mark.parametrize("size", [1e-100, 1e-50, 1e50, 1e100])
def test_very_large_and_very_small_data_are_no_trouble_in_the_right_units(size: float) -> None:
    X = rows("dense")
    torch.testing.assert_close(
        GaussianKernel(2.5 * size)(X * size, X * size), GaussianKernel(2.5)(X, X)
    )
    torch.testing.assert_close(
        LaplaceKernel(2.5 * size)(X * size, X * size), LaplaceKernel(2.5)(X, X)
    )


# Rows far from the others, or from the origin. Each pair of rows has its own distance, whatever the
# other rows are: the reference takes every pair by itself, from its difference.


def reference(case: Case, X: Tensor, Z: Tensor, M: Tensor | None) -> np.ndarray:
    """Values in extended precision, where float64 has rounding and overflows."""
    x, z = (side.double().numpy().astype(np.longdouble) for side in (X, Z))
    m = np.eye(x.shape[1]) if M is None else M.double().numpy().astype(np.longdouble)
    difference = x[:, None, :] - z[None, :, :]
    squared = np.einsum("ijd,de,ije->ij", difference, m, difference)
    return case.value(np.sqrt(np.maximum(squared, 0))).astype(float)


RADIAL_CASES = [case for case in CASES if case.kernel.radial]
every_radial_case = pytest.mark.parametrize("case", RADIAL_CASES, ids=str)
STRETCHED = torch.diag(torch.tensor([1e8, 1.0, 1.0, 1e-3], dtype=torch.float64))
MATRICES = {
    "none": None,
    "dense": feature_matrix("dense", 4) + 0.1 * torch.eye(4, dtype=torch.float64),
    "stretched": STRETCHED,
}
every_metric = pytest.mark.parametrize("metric", MATRICES)
CLOSE = {torch.float32: 1e-4, torch.float64: 1e-9}


def all_equal(X: Tensor, Z: Tensor) -> Tensor:
    return (X[:, None, :] == Z[None, :, :]).all(2)


def check_values_and_weights(case: Case, X: Tensor, Z: Tensor, M: Tensor | None) -> None:
    K = case.kernel(X, Z, M)
    W = case.kernel.derivative_weights(X, Z, M)
    gap = (K.double() - torch.from_numpy(reference(case, X, Z, M))).abs().max()
    assert float(gap) < CLOSE[X.dtype]
    assert bool(torch.isfinite(W).all())
    assert float(W.min()) >= 0
    if isinstance(case.kernel, LaplaceKernel):
        same = all_equal(X, Z)
        assert bool((K[same] == 1).all())
        assert bool((W[same] == 0).all())


def odd_inputs(dtype: torch.dtype) -> dict[str, Tensor]:
    X, huge = normal(60, 4), 1e30 if dtype == torch.float32 else 1e200
    largest = torch.finfo(dtype).max
    changed = {name: X.clone() for name in ("one", "scales", "huge", "largest", "codes", "cells")}
    changed["one"][7, 2] = 1e6 if dtype == torch.float32 else 1e15
    for row, exponent in enumerate((2, 4, 6, 9, 13)):
        changed["scales"][row, row % 4] = -(10.0**exponent)
    changed["huge"][[3, 4, 5], [0, 1, 1]] = torch.tensor([huge, huge, -huge], dtype=X.dtype)
    changed["largest"][5], changed["largest"][6], changed["largest"][7] = largest, -largest, largest
    changed["codes"][:12] = -9999
    changed["cells"][normal(60, 4, seed=1) > 1] = -9999
    far = torch.arange(60)[:, None]
    return {name: rows.to(dtype) for name, rows in changed.items()} | {
        "shifted": (X + (1e4 if dtype == torch.float32 else 1e8)).to(dtype),
        "two clusters": (X + 1e6 * (far % 2)).to(dtype),
        "five clusters": (X + 1e5 * (far % 5)).to(dtype),
        "clusters in clusters": (X + 1e3 * (far % 2) + 1e7 * (far % 4 > 1)).to(dtype),
        "wide column": (X * torch.tensor([1e6, 1.0, 1.0, 1.0], dtype=X.dtype)).to(dtype),
        "constant column": torch.cat([X[:, :3], torch.full_like(X[:, :1], 7e7)], 1).to(dtype),
        "whole numbers": (3 * X).round().to(dtype),
        "one row many times": X[:1].expand(60, 4).to(dtype),
        "nearly the same": (X[:1] + 1e-4 * X).to(dtype),
        "minute": (X * 1e-30).to(dtype),
        "subnormal": (X * torch.finfo(dtype).tiny / 8).to(dtype),
        "one of its kind": X[:1].to(dtype),
        "two": X[:2].to(dtype),
    }


@every_radial_case
@both_types
@every_metric
@pytest.mark.parametrize("name", odd_inputs(torch.float64))
def test_odd_rows_do_not_change_what_a_kernel_is(
    case: Case, dtype: torch.dtype, metric: str, name: str
) -> None:
    X, M = odd_inputs(dtype)[name], MATRICES[metric]
    M = None if M is None else M.to(dtype)
    check_values_and_weights(case, X, X, M)
    check_values_and_weights(case, X[::2], X, M)
    check_values_and_weights(case, X, X[-1:], M)


outliers = st.lists(
    st.tuples(st.integers(0, 39), st.integers(0, 3), st.floats(-18, 30), st.booleans()), max_size=12
)


@given(
    outliers=outliers,
    share=st.integers(0, 40),
    apart=st.floats(0, 12),
    seed=st.integers(0, 3),
    single=st.booleans(),
    metric=st.sampled_from(list(MATRICES)),
)
def test_any_outliers_and_two_clusters_anywhere(
    outliers: list[tuple[int, int, float, bool]],
    share: int,
    apart: float,
    seed: int,
    single: bool,
    metric: str,
) -> None:
    dtype = torch.float32 if single else torch.float64
    X, M = normal(40, 4, seed=seed), MATRICES[metric]
    X[:share] += 10**apart
    for row, column, exponent, positive in outliers:
        X[row, column] = 10**exponent if positive else -(10**exponent)
    X = X.to(dtype)
    for case in RADIAL_CASES:
        check_values_and_weights(case, X, X[::2], None if M is None else M.to(dtype))


@pytest.mark.parametrize("dims", [1, 4])
@every_radial_case
@both_types
def test_a_distance_too_large_for_the_dtype_is_infinite_and_not_0(
    case: Case, dtype: torch.dtype, dims: int
) -> None:
    size = 1e20 if dtype == torch.float32 else 1e200
    X, Z = torch.full((1, dims), size, dtype=dtype), torch.zeros(1, dims, dtype=dtype)
    for M in (None, feature_matrix("dense", dims).to(dtype) + torch.eye(dims, dtype=dtype)):
        for x, z in ((X, Z), (Z, X), (X, -X), (torch.cat([X, Z]), -X)):
            assert bool((case.kernel(x, z, M) == 0).all())
            assert bool((case.kernel.derivative_weights(x, z, M) == 0).all())
        assert float(case.kernel(X, X, M)) == 1


@every_radial_case
@pytest.mark.parametrize("metric", ["none", "dense"])
@pytest.mark.parametrize("far", [1e5, 1e20, 1e200, 1e308])
def test_gradients_among_far_rows_are_those_of_the_weights(
    case: Case, metric: str, far: float
) -> None:
    Z, M = normal(40, 4), MATRICES[metric]
    Z[20:] += far
    Z[19] = -far
    X = Z + 0.3 * normal(40, 4, seed=1)
    weights = case.kernel.derivative_weights(X, Z, M)
    directions = Z - X[:, None, :]
    expected = weights[:, :, None] * (directions if M is None else directions @ M)
    expected[weights == 0] = 0  # where a direction may be infinite
    rows = X.clone().requires_grad_()
    case.kernel(rows, Z, M).sum().backward()
    assert rows.grad is not None
    torch.testing.assert_close(rows.grad, expected.sum(1))
    some = slice(17, 23)
    jacobian = torch.func.jacrev(lambda x: case.kernel(x, Z, M))(X[some])
    own = jacobian.diagonal(dim1=0, dim2=2).permute(2, 0, 1)
    torch.testing.assert_close(own, expected[some])


@every_radial_case
def test_gradients_in_a_far_cluster_pass_a_finite_difference_check(case: Case) -> None:
    X, Z = normal(2, 2) + 1e5, torch.cat([normal(5, 2, seed=1), normal(3, 2, seed=2) + 1e5])
    M, arguments = feature_matrix("dense", 2), (X.requires_grad_(), Z.requires_grad_())
    # A step must be seen at 1e5, where numbers are 1e-11 apart.
    assert torch.autograd.gradcheck(
        lambda x, z: case.kernel(x, z, M), arguments, eps=1e-4, atol=1e-5
    )


@both_types
def test_a_given_buffer_serves_odd_rows_too(dtype: torch.dtype) -> None:
    for X in odd_inputs(dtype).values():
        buffer = torch.full((len(X), len(X)), math.nan, dtype=dtype)
        values = LaplaceKernel(2.5).values(X, X, None, out=buffer)
        assert torch.equal(values, LaplaceKernel(2.5).values(X, X, None))


OUTLIERS = {"one": 1, "several": 5, "codes": 10}


@both_types
@pytest.mark.parametrize("kernel", [GaussianKernel(2.5), LaplaceKernel(2.5)], ids=str)
@pytest.mark.parametrize("kind", OUTLIERS)
def test_outliers_cost_a_model_their_own_rows_and_nothing_else(
    kernel: Kernel, dtype: torch.dtype, kind: str
) -> None:
    X, X_test = normal(200, 5, dtype=dtype), normal(300, 5, seed=1, dtype=dtype)
    Y, Y_test = X[:, :1] * X[:, 1:2], X_test[:, :1] * X_test[:, 1:2]
    good, X = slice(OUTLIERS[kind], None), X.clone()
    if kind == "one":
        X[0, 2] = 1e6 if dtype == torch.float32 else 1e15
    elif kind == "several":
        X[range(5), range(5)] = torch.tensor([2e2, -1e3, 1e5, 1e8, -1e12], dtype=dtype)
    else:
        X[:10] = -9999

    def error(model: KernelRidge | RFM, inputs: Tensor, targets: Tensor) -> float:
        return float((model.predict(inputs) - targets).square().mean())

    # The kernel values between outliers and others are 0: two systems that do not touch.
    machine, without = (KernelRidge(kernel, 1e-3) for _ in range(2))
    machine.fit(X, Y)
    without.fit(X[good], Y[good])
    assert difference(machine.predict(X_test), without.predict(X_test)) < CLOSE[dtype]
    # Here the mean over all rows, which have no gradient where they are outliers, differs a little.
    loop, without = RFM(kernel, 2, 1e-3).fit(X, Y), RFM(kernel, 2, 1e-3).fit(X[good], Y[good])
    assert error(loop, X_test, Y_test) < 1.1 * error(without, X_test, Y_test)
    for model in (machine, loop):
        assert error(model, X[good], Y[good]) < 1e-3
        assert error(model, X_test, Y_test) < 0.3  # 1 for predicting the mean


@pytest.mark.parametrize("bandwidth", [1e-22, 1e21])
@pytest.mark.parametrize("kernel", [GaussianKernel, LaplaceKernel])
def test_a_bandwidth_whose_square_single_precision_cannot_hold_is_named(
    kernel: type[GaussianKernel | LaplaceKernel], bandwidth: float
) -> None:
    X = normal(3, 2)
    made = kernel(bandwidth)
    with pytest.raises(ValueError, match=re.escape(f"{made} does not fit torch.float32: ")):
        made(X.float(), X.float())
    assert bool((made(X, X).diagonal() == 1).all())
    size = 1e-18 if bandwidth < 1 else 1e18
    torch.testing.assert_close(
        kernel(2.5 * size)(X.float() * size, X.float() * size), kernel(2.5)(X, X).float()
    )


# Parameters


@pytest.mark.parametrize("number", [2, 2.0, np.float64(2), np.float32(2), np.int64(2), Fraction(2)])
@pytest.mark.parametrize("kernel", [GaussianKernel, LaplaceKernel, QuadraticKernel])
@pytest.mark.usefixtures("no_type_checks")
def test_any_real_number_serves_as_a_parameter_and_is_kept_as_a_float(
    kernel: type, number: object
) -> None:
    made = kernel(number)
    assert made == kernel(2.0)
    X = rows("dense")
    assert torch.equal(made(X, X), kernel(2.0)(X, X))
    (field,) = dataclasses.fields(made)
    assert type(getattr(made, field.name)) is float


def test_the_defaults_are_those_of_the_book() -> None:
    assert GaussianKernel() == GaussianKernel(bandwidth=2.5)
    assert LaplaceKernel() == LaplaceKernel(bandwidth=2.5)
    assert QuadraticKernel() == QuadraticKernel(scale=3.0)


@pytest.mark.parametrize("case", CASES_OF_THE_PACKAGE, ids=str)
def test_a_repr_can_be_evaluated(case: Case) -> None:
    kind = type(case.kernel)
    assert eval(repr(case.kernel), {kind.__name__: kind}) == case.kernel


def test_kernels_of_different_classes_are_never_equal() -> None:
    assert len(set(KERNELS_OF_THE_PACKAGE)) == len(KERNELS_OF_THE_PACKAGE)
    assert GaussianKernel(2.5) != LaplaceKernel(2.5)


def test_a_kernel_from_outside_the_package_runs_the_whole_loop() -> None:
    from rfm_tutorial import RFM

    split = ModularTask("add", 7).split(0.6)
    rfm = RFM(RationalQuadraticKernel(2.0), n_iterations=3).fit(split.X_train, split.Y_train)
    assert [record["train_accuracy"] for record in rfm.history_] == [1.0] * 4


@pytest.mark.parametrize("call", [QuadraticKernel.__call__, QuadraticKernel.derivative_weights])
def test_inputs_whose_products_overflow_are_refused_in_words(call: Callable) -> None:
    X = torch.full((2, 3), 1e20)
    expected = "must be finite, got NaN or infinity: X, Z or the feature matrix is too large for"
    with pytest.raises(ValueError, match=f"QuadraticKernel.* {expected} torch.float32"):
        call(QuadraticKernel(), X, X)
    with pytest.raises(ValueError, match=expected):
        call(QuadraticKernel(), X[:1], torch.tensor([[1e20, -1e20, 0.0]]))
