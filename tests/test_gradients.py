"""The AGOP: three fast ways and autograd against a plain (n, c, d) reference.

Every test that takes a `case` runs for every line of `helpers.CASES`.
"""

import dataclasses
import itertools
import warnings

import pytest
import torch
from helpers import (
    CASES,
    CASES_OF_THE_PACKAGE,
    KINDS_OF_ROWS,
    Case,
    difference,
    feature_matrix,
    moved,
    normal,
    plain_agop,
    plain_jacobians,
    plain_weights,
    rows,
    tolerance,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import exp
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    KernelRidge,
    LaplaceKernel,
    ModularTask,
    NotFittedError,
    agop,
    per_output_agop,
    predictor_agop,
    predictor_fact,
    psd_power,
)
from rfm_tutorial.gradient_sums import kernel_agop, loop_agop
from rfm_tutorial.kernels import Kernel
from rfm_tutorial.shared_ones import Groups, find_groups
from rfm_tutorial.tasks import MultiTask

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_kind = pytest.mark.parametrize("kind", KINDS_OF_ROWS)
every_matrix = pytest.mark.parametrize("features", ["none", "dense", "singular"])
both_types = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["32", "64"])
METHODS = ["grouped", "direct", "closed"]


def other_rows(kind: str, Z: Tensor) -> Tensor:
    """Rows to average over that are not the centres: new ones, and two equal to centres."""
    return torch.cat([rows(kind, seed=4)[:11], Z[2:4], normal(2, Z.shape[1], seed=8)])


def machine(kernel: Kernel, Z: Tensor, alpha: Tensor, M: Tensor | None) -> KernelRidge:
    """A kernel machine with given coefficients, which no fit has to find."""
    model = KernelRidge(kernel)
    model.centers_, model.dual_coef_, model.feature_matrix_ = Z, alpha, M
    return model


def methods_for(Z: Tensor) -> list[str]:
    return METHODS if find_groups(Z) is not None else METHODS[1:]


@every_case
@every_kind
@every_matrix
@pytest.mark.parametrize("center", [True, False], ids=["centered", "plain"])
class TestEveryWayGivesTheSame:
    @pytest.mark.parametrize("where", ["centres", "elsewhere"])
    @pytest.mark.parametrize("outputs", [1, 4])
    def test_each_method_equals_the_plain_reference(
        self, case: Case, kind: str, features: str, center: bool, where: str, outputs: int
    ) -> None:
        Z = rows(kind)
        X = Z if where == "centres" else other_rows(kind, Z)
        alpha, M = normal(len(Z), outputs, seed=6), feature_matrix(features, Z.shape[1])
        expected = plain_agop(case, Z, alpha, M, X, center)
        for method in methods_for(Z):
            for chunk_size in (None, 4):
                G = kernel_agop(
                    case.kernel,
                    Z,
                    alpha,
                    M,
                    X,
                    center=center,
                    chunk_size=chunk_size,
                    groups=find_groups(Z),
                    method=method,
                )
                assert difference(G, expected) < 1e-11, (method, chunk_size)
                assert torch.equal(G, G.T)

    def test_automatic_differentiation_of_predict_equals_the_plain_reference(
        self, case: Case, kind: str, features: str, center: bool
    ) -> None:
        Z = rows(kind)
        alpha, M = normal(len(Z), 3, seed=6), feature_matrix(features, Z.shape[1])
        model = machine(case.kernel, Z, alpha, M)
        for X in (Z, other_rows(kind, Z)):
            expected = plain_agop(case, Z, alpha, M, X, center)
            assert difference(agop(model.predict, X, center=center), expected) < 1e-11
            assert difference(predictor_agop(model, X, center=center), expected) < 1e-11

    def test_outputs_one_by_one_add_up_to_the_whole(
        self, case: Case, kind: str, features: str, center: bool
    ) -> None:
        Z = rows(kind)
        alpha, M = normal(len(Z), 3, seed=6), feature_matrix(features, Z.shape[1])
        model = machine(case.kernel, Z, alpha, M)
        for X in (Z, other_rows(kind, Z)):
            each = per_output_agop(model, X, center=center)
            assert difference(each.sum(0), predictor_agop(model, X, center=center)) < 1e-11
            for output, G in enumerate(each):
                alone = plain_agop(case, Z, alpha[:, output : output + 1], M, X, center)
                assert difference(G, alone) < 1e-11


@every_case
@every_kind
class TestContract:
    def test_float32_is_float64_to_its_precision(self, case: Case, kind: str) -> None:
        Z = rows(kind)
        alpha, M = normal(len(Z), 3, seed=6), feature_matrix("dense", Z.shape[1])
        expected = plain_agop(case, Z, alpha, M, Z, True)
        for method in methods_for(Z):
            z, a, m = Z.float(), alpha.float(), M.float()
            groups = find_groups(z)
            G = kernel_agop(case.kernel, z, a, m, z, center=True, groups=groups, method=method)
            assert G.dtype == torch.float32
            assert difference(G, expected) < tolerance(torch.float32)

    def test_the_chunk_size_never_changes_the_answer(self, case: Case, kind: str) -> None:
        Z = rows(kind)
        model = machine(case.kernel, Z, normal(len(Z), 3), feature_matrix("dense", Z.shape[1]))
        whole = predictor_agop(model)
        each = per_output_agop(model)
        by_autograd = agop(model.predict, Z, center=True)
        for chunk_size in (1, 2, 5, len(Z) - 1, len(Z), len(Z) + 1, 1000):
            assert difference(predictor_agop(model, chunk_size=chunk_size), whole) < 1e-12
            assert difference(per_output_agop(model, chunk_size=chunk_size), each) < 1e-12
            chunked = agop(model.predict, Z, center=True, chunk_size=chunk_size)
            assert difference(chunked, by_autograd) < 1e-12

    def test_no_feature_matrix_means_the_identity(self, case: Case, kind: str) -> None:
        Z, identity = rows(kind), torch.eye(rows(kind).shape[1], dtype=torch.float64)
        alpha = normal(len(Z), 3)
        without, with_identity = (machine(case.kernel, Z, alpha, M) for M in (None, identity))
        torch.testing.assert_close(predictor_agop(without), predictor_agop(with_identity))
        torch.testing.assert_close(per_output_agop(without), per_output_agop(with_identity))

    def test_the_features_lie_in_the_range_of_the_feature_matrix(
        self, case: Case, kind: str
    ) -> None:
        Z = rows(kind)
        M = feature_matrix("singular", Z.shape[1])
        G = predictor_agop(machine(case.kernel, Z, normal(len(Z), 3), M))
        null = torch.linalg.eigh(M).eigenvectors[:, : Z.shape[1] - Z.shape[1] // 2]
        assert float((G @ null).abs().max()) < 1e-12 * float(G.abs().max())

    def test_centering_takes_away_the_mean_gradient_of_each_output(
        self, case: Case, kind: str
    ) -> None:
        Z = rows(kind)
        alpha = normal(len(Z), 3)
        mean = torch.from_numpy(plain_jacobians(case, Z, alpha, None, Z).mean(axis=0))
        model = machine(case.kernel, Z, alpha, None)
        gap = predictor_agop(model, center=False) - predictor_agop(model, center=True)
        assert difference(gap, mean.T @ mean) < 1e-11

    def test_the_order_of_centres_and_of_rows_does_not_matter(self, case: Case, kind: str) -> None:
        Z, X = rows(kind), other_rows(kind, rows(kind))
        alpha, M = normal(len(Z), 3), feature_matrix("dense", Z.shape[1])
        generator = torch.Generator().manual_seed(1)
        order = torch.randperm(len(Z), generator=generator)
        G = predictor_agop(machine(case.kernel, Z, alpha, M), X)
        shuffled = machine(case.kernel, Z[order], alpha[order], M)
        assert difference(predictor_agop(shuffled, X.flip(0)), G) < 1e-12

    def test_outputs_scaled_by_s_scale_the_agop_by_s_squared(self, case: Case, kind: str) -> None:
        Z = rows(kind)
        alpha = normal(len(Z), 3)
        G = predictor_agop(machine(case.kernel, Z, alpha, None))
        assert difference(predictor_agop(machine(case.kernel, Z, alpha * -3, None)), G * 9) < 1e-12

    def test_inputs_stay_as_they_came_and_views_are_as_good(self, case: Case, kind: str) -> None:
        Z = rows(kind)
        alpha, M = normal(len(Z), 3), feature_matrix("dense", Z.shape[1])
        copies = [tensor.clone() for tensor in (Z, alpha, M)]
        G = predictor_agop(machine(case.kernel, Z, alpha, M))
        assert all(torch.equal(a, b) for a, b in zip((Z, alpha, M), copies, strict=True))
        strided = torch.stack([Z, -Z], dim=2)[:, :, 0]
        transposed = alpha.T.contiguous().T
        assert difference(predictor_agop(machine(case.kernel, strided, transposed, M.T)), G) < 1e-13

    def test_known_kernel_values_save_work_and_change_nothing(self, case: Case, kind: str) -> None:
        Z = rows(kind)
        alpha, M = normal(len(Z), 3), feature_matrix("dense", Z.shape[1])
        values = case.kernel.values(Z, Z, M)
        copy = values.clone()
        for method in methods_for(Z):
            G, again = (
                kernel_agop(
                    case.kernel,
                    Z,
                    alpha,
                    M,
                    Z,
                    center=True,
                    chunk_size=4,
                    groups=find_groups(Z),
                    values=given,
                    method=method,
                )
                for given in (None, values)
            )
            assert difference(again, G) < 1e-12
        assert torch.equal(values, copy)


@every_case
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("d", [1, 3])
def test_one_centre_one_input_and_one_output_are_enough(case: Case, n: int, d: int) -> None:
    Z, X, alpha = normal(n, d), normal(3, d, seed=1), normal(n, 1, seed=2)
    expected = plain_agop(case, Z, alpha, None, X, True)
    for method in ("direct", "closed"):
        G = kernel_agop(case.kernel, Z, alpha, None, X, center=True, method=method)
        assert difference(G, expected) < 1e-10


@every_case
@pytest.mark.parametrize("center", [True, False], ids=["centered", "plain"])
def test_a_digit_that_many_rows_share_is_summed_like_the_others(case: Case, center: bool) -> None:
    task = MultiTask(("add", "sub"), 5)
    Z = task.split(0.4).X_train
    alpha, M = normal(len(Z), 3), feature_matrix("dense", 12)
    # Two values of the task digit, and far more rows for each than for a digit of five.
    assert float(Z.sum(0)[10:].min()) > 2 * float(Z.sum(0)[:10].median())
    for X in (Z, task.split(0.4, seed=1).X_train[:7]):
        expected = plain_agop(case, Z, alpha, M, X, center)
        for method, chunk_size in itertools.product(METHODS, (None, 3)):
            G = kernel_agop(
                case.kernel,
                Z,
                alpha,
                M,
                X,
                center=center,
                chunk_size=chunk_size,
                groups=find_groups(Z),
                method=method,
            )
            assert difference(G, expected) < 1e-11


def test_duplicated_centres_share_their_weight_without_a_cusp() -> None:
    case = next(case for case in CASES if isinstance(case.kernel, LaplaceKernel))
    for kind in KINDS_OF_ROWS:
        Z = torch.cat([rows(kind), rows(kind)[:4]])
        alpha = normal(len(Z), 3)
        expected = plain_agop(case, Z, alpha, None, Z, True)
        for method, chunk_size in itertools.product(methods_for(Z), (None, 1, 3)):
            G = kernel_agop(
                case.kernel,
                Z,
                alpha,
                None,
                Z,
                center=True,
                chunk_size=chunk_size,
                groups=find_groups(Z),
                method=method,
            )
            assert difference(G, expected) < 1e-11
        model = machine(case.kernel, Z, alpha, None)
        assert difference(agop(model.predict, Z, center=True), expected) < 1e-11


# Precision: what cancels must not leave its rounding behind. With a wide bandwidth the coefficients
# are large and the gradients are not; with a narrow one only the own centre has weight, and it
# adds nothing.


@pytest.mark.parametrize(
    "case", [case for case in CASES_OF_THE_PACKAGE if case.kernel.radial], ids=str
)
@pytest.mark.parametrize("bandwidth", [0.1, 0.5, 2.5, 10.0, 20.0])
@pytest.mark.parametrize("modulus", [7, 13, 23])
def test_the_precision_does_not_depend_on_the_bandwidth(
    case: Case, bandwidth: float, modulus: int
) -> None:
    split = ModularTask("add", modulus).split(0.5)
    X = split.X_train
    kernel = dataclasses.replace(case.kernel, bandwidth=bandwidth)
    model = KernelRidge(kernel).fit(X, split.Y_train)
    weights = kernel.derivative_weights(X, X).fill_diagonal_(0)
    alpha = model.dual_coef_
    gradients = torch.einsum("jd,ij,ic->jcd", -X, weights, alpha)
    gradients += torch.einsum("id,ij,ic->jcd", X, weights, alpha)
    gradients -= gradients.mean(0)
    expected = torch.einsum("jcd,jce->de", gradients, gradients) / len(X)
    G = predictor_agop(model)
    # A wide bandwidth makes the system ill-conditioned: both sides carry its rounding.
    assert difference(G, expected) < 1e-9
    psd_power(G, 0.5)


@pytest.mark.parametrize("bandwidth", [2.0, 20.0, 50.0])
def test_large_coefficients_that_cancel_cost_no_digits_of_dense_data_either(
    bandwidth: float,
) -> None:
    # So few rows for so many inputs and outputs that the closed form is the cheapest way.
    X, Y = normal(50, 20), normal(50, 8, seed=1)
    width = 2 * bandwidth**2
    case = Case(
        GaussianKernel(bandwidth),
        lambda r: exp(-(r**2) / width),
        lambda r: exp(-(r**2) / width) * 2 / width,
    )
    model = KernelRidge(case.kernel).fit(X, Y)
    expected = plain_agop(case, X, model.dual_coef_, None, X, True)
    assert difference(predictor_agop(model), expected) < 1e-9


@every_kind
@pytest.mark.parametrize("bandwidth", [0.2, 0.5, 1.0])
def test_a_narrow_bandwidth_leaves_no_rounding_of_the_own_centre(
    kind: str, bandwidth: float
) -> None:
    Z = rows(kind)
    alpha = normal(len(Z), 3)
    width = 2 * bandwidth**2
    case = Case(
        GaussianKernel(bandwidth),
        lambda r: exp(-(r**2) / width),
        lambda r: exp(-(r**2) / width) * 2 / width,
    )
    expected = plain_agop(case, Z, alpha, None, Z, True)
    G = predictor_agop(machine(case.kernel, Z, alpha, None))
    assert difference(G, expected) < 1e-9
    assert difference(per_output_agop(machine(case.kernel, Z, alpha, None)).sum(0), expected) < 1e-9


# Far out: w·z − w·x would cancel where z and x are equal or close, and the middle is far away.


FAR_OUT = {
    "repeated rows": lambda X: torch.cat([X, X.new_full((10, 5), -1e6)]),
    "a cluster": lambda X: torch.cat([X, X[:30] - 1e6]),
    "most rows": lambda X: torch.cat([X, X + 1e6, X.flip(1) + 1e6]),
    "a column": lambda X: X + X.new_tensor([0.0, 0.0, 0.0, 0.0, 5e7]),
    "nearly infinite rows": lambda X: torch.cat([X, X.new_full((3, 5), 3e38), -X[:2] * 1e38]),
    "nothing": lambda X: X,
}


@pytest.mark.parametrize("case", [CASES[0], CASES[1], CASES[3]], ids=str)
@pytest.mark.parametrize("far", FAR_OUT)
@pytest.mark.parametrize("features", ["none", "dense"])
@pytest.mark.parametrize("outputs", [1, 40])
@pytest.mark.parametrize("where", ["centres", "copies of centres"])
def test_rows_far_out_cost_no_digits(
    case: Case, far: str, features: str, outputs: int, where: str
) -> None:
    # float32 numbers; the reference takes them and all that follows in float64.
    Z = FAR_OUT[far](normal(60, 5).float())
    alpha, M = normal(len(Z), outputs, seed=6).float(), feature_matrix(features, 5)
    M = None if M is None else M.float()
    X = Z if where == "centres" else Z.clone()
    expected = plain_agop(case, Z, alpha, M, X, True)
    model = machine(case.kernel, Z, alpha, M)
    assert difference(predictor_agop(model, X), expected) < 1e-4
    assert difference(per_output_agop(model, X).sum(0), expected) < 1e-4


@pytest.mark.parametrize(("far", "dtype"), [(-1e6, torch.float32), (1e15, torch.float64)])
def test_the_loop_is_not_misled_by_repeated_rows_far_out(far: float, dtype: torch.dtype) -> None:
    X, new = normal(200, 5), normal(300, 5, seed=1)
    product = lambda X: X[:, :1] * X[:, 1:2]  # noqa: E731
    Y = product(X)
    X[:10] = far
    rfm = RFM(GaussianKernel(2.5), 5, ridge=0.001).fit(X.to(dtype), Y.to(dtype))
    assert float((rfm.predict(new.to(dtype)) - product(new)).square().mean()) < 0.01
    assert float(rfm.feature_matrix_[2:, 2:].abs().max()) < 0.05


def test_a_narrow_bandwidth_leaves_no_rounding_of_copies_either() -> None:
    # To its copy a row is a centre like any other, of weight 1 where all others have next to none.
    Z = rows("dense")
    alpha = normal(len(Z), 3)
    model = machine(GaussianKernel(0.2), Z, alpha, None)
    assert difference(predictor_agop(model, Z.clone()), predictor_agop(model)) < 1e-9


# Groups: found from the data itself


def groups_of(Z: Tensor) -> Groups:
    groups = find_groups(Z)
    assert groups is not None
    return groups


def test_groups_of_one_hot_pairs_are_the_rows_that_share_a_digit() -> None:
    split = ModularTask("add", 5).split(0.6)
    groups = groups_of(split.X_train)
    assert groups.columns is not None
    for column in range(10):
        digit, half = column % 5, column // 5
        expected = (split.pairs_train[:, half] == digit).nonzero()[:, 0].tolist()
        present = groups.present[column] == 1
        assert groups.members[column][present].tolist() == expected
    assert groups.present.sum() == split.X_train.sum()
    digits = split.pairs_train + torch.tensor([0, 5])
    assert torch.equal(groups.columns, digits)
    assert groups.first_block == 5


def test_groups_need_zeros_and_ones_only() -> None:
    for X in (
        rows("dense"),
        rows("one-hot pairs") * 2,
        torch.zeros(3, 4),
        torch.full((3, 4), -1.0),
    ):
        assert find_groups(X) is None
    almost = rows("one-hot pairs")
    almost[3, 2] += 1e-12
    assert find_groups(almost) is None
    assert find_groups(torch.eye(3, device="meta")) is None


def test_a_first_digit_is_seen_only_where_every_row_has_one() -> None:
    assert groups_of(rows("one-hot pairs")).first_block == 7
    assert groups_of(torch.eye(4)).first_block == 4
    assert groups_of(torch.ones(4, 1)).first_block == 1
    # One one in each row before column 2, never again.
    assert groups_of(torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 1]])).first_block == 2
    never = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 0, 1], [0, 0, 1]])
    assert groups_of(never).first_block is None


def test_rows_with_unequal_numbers_of_ones_have_no_table_of_columns() -> None:
    groups = groups_of(torch.tensor([[1.0, 1, 0], [0, 0, 1]]))
    assert groups.columns is None
    assert groups.members[0, 0] == groups.members[1, 0] == 0
    assert groups.members[2, 0] == 1


@settings(max_examples=40)
@given(seed=st.integers(0, 200), d=st.integers(1, 6), n=st.integers(1, 9), share=st.floats(0, 1))
def test_any_zeros_and_ones_give_the_answer_of_the_dense_way(
    seed: int, d: int, n: int, share: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    Z = (torch.rand(n, d, generator=generator) < share).double()
    groups = find_groups(Z)
    assert (groups is None) == (float(Z.sum()) == 0)
    alpha, X = normal(n, 2, seed=seed), normal(4, d, seed=seed + 1)
    for kernel, rows_ in itertools.product((GaussianKernel(), LaplaceKernel()), (Z, Z.clone(), X)):
        ways = [
            kernel_agop(kernel, Z, alpha, None, rows_, center=True, groups=groups, method=method)
            for method in (METHODS if groups is not None else METHODS[1:])
        ]
        for other in ways[1:]:
            torch.testing.assert_close(other, ways[0], rtol=1e-10, atol=1e-12)


# Memory: no (n, c, d) tensor


class LargestTensor(TorchDispatchMode):
    """Remembers the largest tensor that any operation gave back."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for part in result if isinstance(result, tuple | list) else [result]:
            if isinstance(part, Tensor):
                self.numbers = max(self.numbers, part.numel())
        return result


@pytest.mark.parametrize("kernel", [case.kernel for case in CASES_OF_THE_PACKAGE], ids=repr)
@pytest.mark.parametrize("method", [None, "grouped", "closed"])
def test_no_tensor_holds_more_than_the_kernel_matrix(kernel: Kernel, method: str | None) -> None:
    split = ModularTask("add", 97).split(0.5)
    X, Y = split.X_train.to("meta"), split.Y_train.to("meta")
    groups = moved(groups_of(split.X_train), "meta")
    n, (d, c) = len(X), (194, 97)
    M = torch.eye(d, dtype=X.dtype, device="meta")
    with LargestTensor() as largest:
        G = kernel_agop(kernel, X, Y, M, X, center=True, groups=groups, method=method)
    assert G.shape == (d, d)
    assert largest.numbers <= n * n
    assert n * n < n * c * d / 3


# Automatic differentiation of anything


def test_the_agop_of_a_linear_function_is_its_gram_matrix() -> None:
    W, X = normal(3, 4), normal(9, 4, seed=1)
    torch.testing.assert_close(agop(lambda x: x @ W.T, X), W.T @ W)
    torch.testing.assert_close(agop(lambda x: x @ W.T, X, center=True), torch.zeros_like(W.T @ W))


def test_the_agop_of_a_quadratic_function_is_known_in_closed_form() -> None:
    A, X = normal(4, 4), normal(50, 4, seed=1)
    S = A + A.T
    G = agop(lambda x: ((x @ A) * x).sum(1, keepdim=True), X)
    torch.testing.assert_close(G, S @ (X.T @ X / 50) @ S)
    C = X - X.mean(0)
    centered = agop(lambda x: ((x @ A) * x).sum(1, keepdim=True), X, center=True)
    torch.testing.assert_close(centered, S @ (C.T @ C / 50) @ S)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("chunk_size", [None, 1, 4, 100])
def test_the_agop_of_a_network_equals_a_loop_over_its_gradients(
    center: bool, chunk_size: int | None
) -> None:
    generator = torch.Generator().manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    network = network.double()
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    X = normal(9, 5)
    J = torch.zeros(9, 3, 5, dtype=torch.float64)
    for row, output in itertools.product(range(9), range(3)):
        x = X[row].clone().requires_grad_()
        (J[row, output],) = torch.autograd.grad(network(x)[output], x)
    if center:
        J -= J.mean(0)
    expected = torch.einsum("ncd,nce->de", J, J) / 9
    G = agop(network, X, center=center, chunk_size=chunk_size)
    torch.testing.assert_close(G, expected)
    assert not G.requires_grad
    assert all(parameter.grad is None for parameter in network.parameters())


@both_types
def test_the_agop_has_the_type_of_its_rows(dtype: torch.dtype) -> None:
    X = normal(5, 3, dtype=dtype)
    assert agop(lambda x: x**2, X).dtype == dtype
    assert agop(lambda x: x**2, X.clone().requires_grad_()).dtype == dtype


def test_the_agop_of_a_constant_is_zero() -> None:
    G = agop(lambda x: x.new_ones(len(x), 2), normal(5, 3))
    assert torch.equal(G, torch.zeros(3, 3, dtype=torch.float64))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_function_is_seen_inside_no_grad_too(mode: type) -> None:
    W = normal(3, 4)
    with mode():
        torch.testing.assert_close(agop(lambda x: x @ W.T, normal(9, 4, seed=1)), W.T @ W)


def test_a_function_that_writes_into_its_argument_leaves_the_rows_alone() -> None:
    X = normal(9, 4)
    copy = X.clone()
    with pytest.raises(RuntimeError, match="in-place"):
        agop(lambda x: x.mul_(2), X)
    assert torch.equal(X, copy)


@both_types
@pytest.mark.parametrize("bend", [1e-3, 1e-5])
def test_centering_a_nearly_linear_function_leaves_more_than_rounding(
    bend: float, dtype: torch.dtype
) -> None:
    X = normal(40, 3)
    got = agop(lambda x: 100 * x[:, :1] + bend * x[:, 1:2] ** 2, X.to(dtype), center=True)
    slopes = 2 * bend * X[:, 1]
    exact = float((slopes - slopes.mean()).square().mean())
    # A single number has a rounding of 100 eps, which is what is left of a bend of 1e-5 in float32.
    allowed = 100 * torch.finfo(dtype).eps / bend * 4
    assert float(got[1, 1]) == pytest.approx(exact, rel=allowed)
    assert abs(float(got[0, 0])) <= (1000 * torch.finfo(dtype).eps) ** 2
    assert float(torch.linalg.eigvalsh(got)[0]) >= -1e-6 * exact


@every_case
def test_per_output_agops_add_up_where_centering_cancels(case: Case) -> None:
    X = normal(60, 3)
    model = KernelRidge(case.kernel, ridge=0.1).fit(
        X, torch.cat([X[:, :1], X[:, :1] + X[:, 1:2]], 1)
    )
    parts = per_output_agop(model)
    assert difference(parts.sum(0), predictor_agop(model)) < 1e-9
    assert float(torch.linalg.eigvalsh(parts).min()) > -1e-9 * float(parts.abs().max())


def test_an_agop_of_features_that_hide_nearly_all_is_psd_to_its_rounding() -> None:
    # What M takes away leaves rounding behind that is large beside what it keeps.
    Z, alpha = rows("dense"), normal(18, 2, seed=5)
    M = torch.diag(torch.tensor([1.0, 0, 0, 0, 0, 0], dtype=torch.float64))
    Z[:, 0] *= 1e-9
    for method in METHODS[1:]:
        G, _, rounding = loop_agop(LaplaceKernel(), Z, alpha, M, Z, center=True, method=method)
        psd_power(G, 0.5, rounding)
        assert rounding > 1e-6
    G, share, rounding = loop_agop(LaplaceKernel(), Z, alpha, None, Z, center=True)
    assert rounding < 1e-10
    assert 0 < share < 1


def test_a_fitted_predictor_needs_no_argument_but_itself() -> None:
    X, Y = rows("dense"), normal(18, 3, seed=5)
    for case in CASES_OF_THE_PACKAGE:
        model = KernelRidge(case.kernel, ridge=0.1).fit(X, Y, feature_matrix("dense", 6))
        expected = plain_agop(case, X, model.dual_coef_, model.feature_matrix_, X, True)
        assert difference(predictor_agop(model), expected) < 1e-10


def test_a_fitted_loop_is_a_predictor_too() -> None:
    X, Y = rows("dense"), normal(18, 3, seed=5)
    rfm = RFM(LaplaceKernel(), 2).fit(X, Y)
    assert torch.equal(predictor_agop(rfm), predictor_agop(rfm.predictor_))
    assert torch.equal(per_output_agop(rfm, X[:5]), per_output_agop(rfm.predictor_, X[:5]))


@pytest.mark.usefixtures("no_type_checks")
def test_what_is_no_predictor_is_told_what_is() -> None:
    X, Y = rows("dense"), normal(18, 3, seed=5)
    step = next(RFM(LaplaceKernel(), 2).iterate(X, Y))
    wrong = "predictor must be a fitted KernelRidge or RFM, got"
    for function in (predictor_agop, per_output_agop, predictor_fact):
        with pytest.raises(TypeError, match=f"{wrong} RFMStep; it has one as .predictor"):
            function(step)  # pyright: ignore[reportArgumentType]
        assert function(step.predictor).shape[-1] == 6
        for other in (None, RFM, X, torch.nn.Linear(6, 3), GaussianKernel()):
            with pytest.raises(TypeError, match=wrong):
                function(other)  # pyright: ignore[reportArgumentType]
        with pytest.raises(NotFittedError, match="this RFM is not fitted"):
            function(RFM(GaussianKernel()))  # pyright: ignore[reportArgumentType]


def test_tensors_that_require_gradients_bring_no_warning_and_no_graph() -> None:
    X = rows("one-hot pairs").requires_grad_()
    M = feature_matrix("dense", 14).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.set_warn_always(True)
        try:
            model = KernelRidge(GaussianKernel(), ridge=0.1).fit(X, normal(len(X), 2), M)
            results = predictor_agop(model), per_output_agop(model), agop(model.predict, X)
        finally:
            torch.set_warn_always(False)
    assert not any(result.requires_grad for result in results)


@every_case
def test_weights_in_the_reference_are_those_of_the_kernel(case: Case) -> None:
    """The reference and the kernel state the weight separately; here they meet once more."""
    Z, X = rows("dense"), rows("dense", seed=1)
    assert difference(case.kernel.derivative_weights(X, Z), plain_weights(case, X, Z)) < 1e-11
