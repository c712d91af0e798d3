"""Why a system is singular, and that the advice helps; features that vanish without being so."""

# ruff: noqa: E501

import math
import re
import warnings
from collections.abc import Callable

import pytest
import torch
from helpers import CASES, AffineQuadraticKernel, RationalQuadraticKernel, normal
from torch import Tensor

from rfm_tutorial import (
    RFM,
    GaussianKernel,
    KernelRidge,
    LaplaceKernel,
    ModularTask,
    QuadraticKernel,
    SingularKernelError,
    predictor_agop,
)
from rfm_tutorial.kernels import Kernel

both_types = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["32", "64"])

X, Y = normal(120, 5), normal(120, 2, seed=1)
WIDE, WIDE_Y = normal(12, 5), normal(12, 2, seed=1)
DOUBLED = torch.cat([X, X[3:4]])


def diagonal(*entries: float) -> Tensor:
    return torch.diag(torch.tensor(entries, dtype=torch.float64))


def reason(call: Callable[[], object]) -> str:
    """What the error says after it has said where."""
    with pytest.raises(SingularKernelError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


def named_ridge(message: str) -> float:
    return float(re.findall(r"for example ridge=(\S+)", message)[-1])


# For each cause: kernel, X, Y, feature matrix, and what has to be said.
CAUSES: dict[str, tuple[Kernel, Tensor, Tensor, Tensor | None, str]] = {
    "a row twice": (GaussianKernel(), DOUBLED, normal(121, 2), None, "rows 3 and 120 are duplicates"),
    "hidden by features": (
        LaplaceKernel(),
        torch.cat([X, X[3:4] + diagonal(0, 1, 1, 1, 1).diagonal()]),
        normal(121, 2),
        diagonal(1, 0, 0, 0, 0),
        "feature matrix hides what rows 3 and 120 differ by",
    ),
    "features in one direction": (
        GaussianKernel(), X, Y, diagonal(1, 0, 0, 0, 0), "leaves 1 of 5 directions",
    ),
    "tiny features": (GaussianKernel(), X, Y, diagonal(*[1e-12] * 5), "has vanished: its largest entry is 1.0e-12"),
    "no features": (LaplaceKernel(), X, Y, diagonal(*[0] * 5), "has vanished: its largest entry is 0.0e+00"),
    "a large bandwidth": (GaussianKernel(1e4), X, Y, None, "kernel values differ by 2.3e-07 at most. Take bandwidth=1"),
    "a bandwidth a little too large": (GaussianKernel(50), X, Y, None, "kernel values differ by 9.1e-03 at most. Take bandwidth=1"),
    "another kernel's length": (RationalQuadraticKernel(1e5), X, Y, None, "kernel values differ by 2.3e-09 at most. Take bandwidth=1"),
    "more rows than features": (QuadraticKernel(), X, Y, None, "15 features of 5 independent inputs, too few to fit 120"),
    "fewer independent inputs": (QuadraticKernel(), WIDE[:, :3] @ normal(3, 5, seed=4), WIDE_Y, None, "6 features of 3 independent inputs, too few to fit 12"),
    "a kernel of few features": (AffineQuadraticKernel(), X, Y, None, "too few features to tell 120 rows apart"),
    "a row of zeros": (QuadraticKernel(), torch.cat([WIDE, 0 * WIDE[:1]]), normal(13, 2), None, "Row 12 has the kernel value 0 with itself"),
    "negative features": (QuadraticKernel(), WIDE, WIDE_Y, diagonal(1, 1, 1, 1, -1), "negative eigenvalues, down to -1.0e+00"),
}  # fmt: skip


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_is_told_from_the_others_and_its_ridge_helps(cause: str) -> None:
    kernel, X, Y, M, said = CAUSES[cause]
    message = reason(lambda: KernelRidge(kernel).fit(X, Y, M))
    assert said in message
    assert [name for name, (*_, other) in CAUSES.items() if other in message] == [cause]
    if cause != "negative features":
        KernelRidge(kernel, ridge=named_ridge(message)).fit(X, Y, M)


@pytest.mark.parametrize("kernel", [GaussianKernel(50), GaussianKernel(1e6), LaplaceKernel(1e15)])
@both_types
def test_the_bandwidth_that_is_advised_fits(
    kernel: GaussianKernel | LaplaceKernel, dtype: torch.dtype
) -> None:
    x, y = X.to(dtype), Y.to(dtype)
    message = reason(lambda: KernelRidge(kernel).fit(x, y))
    advised = float(re.findall(r"Take bandwidth=(\S+),", message)[0])
    KernelRidge(type(kernel)(advised)).fit(x, y)


def test_rows_of_zeros_have_no_ridge_to_offer() -> None:
    message = reason(lambda: KernelRidge(QuadraticKernel()).fit(WIDE * 0, WIDE_Y))
    assert "Every kernel value is 0 in torch.float64" in message


@both_types
def test_a_ridge_that_is_set_is_not_advised(dtype: torch.dtype) -> None:
    x, y = DOUBLED.to(dtype), normal(121, 2, dtype=dtype)
    given = torch.finfo(dtype).eps / 10
    for _ in range(3):
        machine = KernelRidge(GaussianKernel(), ridge=given)
        message = reason(lambda machine=machine: machine.fit(x, y))
        assert f"ridge larger than {given:g}" in message
        assert named_ridge(message) >= 10 * given
    KernelRidge(GaussianKernel(), ridge=named_ridge(message)).fit(x, y)


@both_types
def test_rows_of_a_missing_value_code_are_fitted_or_not_blamed_on_the_ridge(
    dtype: torch.dtype,
) -> None:
    x = normal(200, 5, dtype=dtype)
    y = x[:, :1] * x[:, 1:2]
    x[:10] = -9999
    try:
        KernelRidge(GaussianKernel(), ridge=1e-3).fit(x, y)
    except SingularKernelError as error:
        assert "lengths from" in str(error)  # noqa: PT017
        assert named_ridge(str(error)) > 1e-3  # noqa: PT017


def test_more_than_enough_of_a_ridge_is_answered_with_the_lengths_of_the_rows() -> None:
    # Values that are no kernel's: rounding can be as large as this where rows are outliers.
    class RoundedKernel(GaussianKernel):
        def values(self, X, Z, M, out=None):
            return super().values(X, Z, M, out).mul_(10).round_().div_(10)

    x = X.clone()
    x[0] = 3000.0
    message = reason(lambda: KernelRidge(RoundedKernel(), ridge=1e-3).fit(x, Y))
    assert "The ridge makes up for rows that are the same" in message
    assert f"to {3000 * math.sqrt(5):.1e}" in message
    assert named_ridge(message) == pytest.approx(1e-2)


# In the loop


def test_the_loop_names_its_step() -> None:
    assert "the kernel matrix of step 0 (121 rows" in reason(
        lambda: RFM(GaussianKernel(), 3).fit(DOUBLED, normal(121, 2))
    )

    def flat(M: Tensor) -> Tensor:
        return M * 0

    assert "the kernel matrix of step 1 (120 rows" in reason(
        lambda: RFM(GaussianKernel(), 3).fit(X, Y, on_features=flat)
    )


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("kernel", [GaussianKernel(1e-3), LaplaceKernel(1e-4)])
def test_a_bandwidth_too_small_for_any_gradient_is_named_at_once(
    kernel: GaussianKernel | LaplaceKernel, ridge: float
) -> None:
    message = reason(lambda: RFM(kernel, 3, ridge=ridge).fit(X, Y))
    assert "step 0 has no features: every kernel value between different rows is 0" in message
    advised = float(re.findall(r"Take bandwidth=(\S+)", message)[0])
    RFM(type(kernel)(advised), 1, ridge=ridge).fit(X, Y)
    # A machine without features has nothing to complain about.
    KernelRidge(kernel, ridge).fit(X, Y)


@both_types
def test_targets_whose_squares_are_no_numbers_are_named(dtype: torch.dtype) -> None:
    size = {torch.float32: 1e-30, torch.float64: 1e-200}[dtype]
    x, y = X.to(dtype), Y.to(dtype)
    assert "the targets are too small" in reason(
        lambda: RFM(GaussianKernel(1.0), 2).fit(x, y * size)
    )
    for large in (math.sqrt(torch.finfo(dtype).max) * 10, torch.finfo(dtype).max / 10):
        with pytest.raises(ValueError, match="targets are too large"):
            RFM(GaussianKernel(1.0), 2).fit(x, y.clamp(-1, 1) * large)


def test_targets_without_anything_to_learn_are_learned() -> None:
    for constant in (0.0, 3.0):
        y = torch.full_like(Y, constant)
        rfm = RFM(GaussianKernel(1.0), 20, ridge=1e-6).fit(X, y, (X, y))
        assert rfm.history_[-1]["train_loss"] < 1e-6


# Nearly linear data: gradients that are their mean


def linear(x: Tensor) -> Tensor:
    return x[:, :1] + 2 * x[:, 1:2]


def noisy(x: Tensor) -> Tensor:
    return linear(x) + 0.05 * normal(len(x), 1, seed=9).to(x.dtype)


def bent(x: Tensor) -> Tensor:
    return 10 * torch.sin(x[:, :1] / 10)


TRAIN, TEST = normal(150, 5), normal(150, 5, seed=7)


def loss(rfm: RFM, function: Callable[[Tensor], Tensor], dtype: torch.dtype) -> float:
    test = TEST.to(dtype)
    return float((rfm.predict(test) - function(test)).square().mean())


@pytest.mark.slow
@both_types
@pytest.mark.parametrize("function", [linear, noisy, bent])
@pytest.mark.parametrize("bandwidth", [2.5, 10.0])
def test_features_that_centering_takes_away_are_announced(
    function: Callable[[Tensor], Tensor], bandwidth: float, dtype: torch.dtype
) -> None:
    x = TRAIN.to(dtype)
    y = function(x)
    kernel = GaussianKernel(bandwidth)
    rfm = RFM(kernel, 30, ridge=0.1)
    with pytest.warns(RuntimeWarning, match="features have vanished at step") as caught:
        rfm.fit(x, y)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "nearly linear" in message
    step = int(re.findall(r"at step (\d+)", message)[0])
    # Before that step all was well, and in the end nothing but a constant is left.
    assert 1 <= step < 20
    first, best = (min(r["train_loss"] for r in rfm.history_[:n]) for n in (1, step))
    assert best <= first
    assert rfm.history_[step]["train_loss"] > 3 * best
    assert loss(rfm, function, dtype) > 0.8 * float(function(TEST).var())
    # Both remedies of the message help.
    assert (
        f"center_gradients=False with a ridge such as ridge=0.001, or LaplaceKernel({bandwidth:g})"
        in message
    )
    for remedy in (
        RFM(kernel, 30, ridge=1e-3, center_gradients=False),
        RFM(LaplaceKernel(bandwidth), 30, ridge=0.1),
    ):
        assert loss(remedy.fit(x, y), function, dtype) < 0.1 * float(function(TEST).var())


def test_without_a_ridge_the_error_says_the_same() -> None:
    message = reason(lambda: RFM(GaussianKernel(), 30).fit(TRAIN, linear(TRAIN)))
    assert re.search(r"the kernel matrix of step [1-9]", message)
    assert "nearly linear" in message
    assert (
        "center_gradients=False with a ridge such as ridge=0.001, or LaplaceKernel(2.5)" in message
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_centred_agop_of_a_linear_predictor_is_accurate(case, dtype: torch.dtype) -> None:
    """Its gradients are their mean but for a millionth: subtracted last, nothing would be left."""
    if isinstance(case.kernel, GaussianKernel):
        kernel = GaussianKernel(30.0)
        machine = KernelRidge(kernel, ridge=1e-3).fit(TRAIN.to(dtype), linear(TRAIN).to(dtype))
        exact = KernelRidge(kernel, ridge=1e-3).fit(TRAIN, linear(TRAIN))
        exact.dual_coef_ = machine.dual_coef_.double()
        got, expected = predictor_agop(machine).double(), predictor_agop(exact)
        whole = predictor_agop(exact, center=False)
        assert float(expected.trace()) < 1e-4 * float(whole.trace())
        allowed = 1e-2 if dtype == torch.float32 else 1e-9
        assert float((got - expected).abs().max() / expected.abs().max()) < allowed
    machine = KernelRidge(case.kernel, ridge=0.1).fit(TRAIN.to(dtype), linear(TRAIN).to(dtype))
    eigenvalues = torch.linalg.eigvalsh(predictor_agop(machine))
    assert float(eigenvalues[0]) > -1e-5 * float(eigenvalues[-1])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("operation", ["add", "div", "random"])
def test_modular_arithmetic_gives_no_alarm(operation: str, dtype: torch.dtype) -> None:
    """Not even where a ridge too large makes the features vanish, as the book shows."""
    warnings.simplefilter("error")
    table = ModularTask("add" if operation == "random" else operation, 7)
    split = table.split(0.6, dtype=dtype)
    targets = split.Y_train
    if operation == "random":
        order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(1))
        targets = targets[order]
    for kernel in (GaussianKernel(), GaussianKernel(5.0), LaplaceKernel()):
        for settings in (
            {"ridge": 0.0},
            {"ridge": 0.001},
            {"ridge": 0.01},
            {"ridge": 1.0},
            {"ridge": 0.01, "agop_power": 1.0},
            {"ridge": 0.01, "center_gradients": False},
        ):
            rfm = RFM(kernel, 12, **settings).fit(split.X_train, targets)
            assert len(rfm.history_) == 13
