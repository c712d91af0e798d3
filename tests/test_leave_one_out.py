"""Leave-one-out from one factorisation is n fits to n − 1 rows."""

import pytest
import torch
from helpers import CASES, KINDS_OF_ROWS, Case, difference, feature_matrix, normal, rows

from rfm_tutorial import RFM, GaussianKernel, KernelRidge, LaplaceKernel, NotFittedError
from rfm_tutorial.kernels import Kernel


def refitted(model: KernelRidge, X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    """The residuals of n fits, each without the row that it predicts."""
    residuals = []
    for i in range(len(X)):
        others = torch.arange(len(X)) != i
        part = KernelRidge(model.kernel, model.ridge)
        part.fit(X[others], Y[others], model.feature_matrix_)
        residuals.append(Y[i] - part.predict(X[i : i + 1])[0])
    return torch.stack(residuals)


@pytest.mark.parametrize("kind", ["none", "dense", "singular"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_n_refits(case: Case, kind: str) -> None:
    X, Y = normal(14, 6), normal(14, 3, seed=1)
    model = KernelRidge(case.kernel, ridge=0.1).fit(X, Y, feature_matrix(kind, 6))
    assert difference(model.leave_one_out(), refitted(model, X, Y)) < 1e-9


@pytest.mark.parametrize("kind", KINDS_OF_ROWS)
def test_it_is_n_refits_without_a_ridge(kind: str) -> None:
    X = rows(kind)
    Y = normal(len(X), 2, seed=1)
    model = KernelRidge(GaussianKernel(1.5)).fit(X, Y)
    assert difference(model.leave_one_out(), refitted(model, X, Y)) < 1e-8


def test_it_is_n_refits_at_a_step_of_the_loop_in_single_precision() -> None:
    X, Y = normal(30, 4, dtype=torch.float32), normal(30, 1, seed=1, dtype=torch.float32)
    *_, last = RFM(LaplaceKernel(2.0), 3, ridge=0.1).iterate(X, Y)
    residuals = last.predictor.leave_one_out()
    assert residuals.dtype == torch.float32
    assert difference(residuals, refitted(last.predictor, X, Y)) < 1e-4


def test_it_leaves_the_model_as_it_was() -> None:
    X, Y = normal(10, 3), normal(10, 2, seed=1)
    model = KernelRidge(GaussianKernel(1.0), ridge=0.1).fit(X, Y)
    before = model.predict(X)
    assert torch.equal(model.leave_one_out(), model.leave_one_out())
    assert torch.equal(model.predict(X), before)


def test_it_needs_a_fit() -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        KernelRidge(GaussianKernel()).leave_one_out()


@pytest.mark.parametrize("kernel", [GaussianKernel(4.0), LaplaceKernel(4.0)], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_features_that_have_seen_the_row_flatter_it(kernel: Kernel, seed: int) -> None:
    """The docstrings' warning: on noise, the error left out falls while that on new rows rises."""
    inputs, noise = normal(600, 10, seed=2 * seed), normal(600, 1, seed=2 * seed + 1)
    rfm = RFM(kernel, 5, ridge=1.0, center_gradients=False, normalization="trace")
    left_out, new = [], []
    for step in rfm.iterate(inputs[:100], noise[:100]):
        left_out.append(float(step.predictor.leave_one_out().square().mean()))
        new.append(float((step.predict(inputs[100:]) - noise[100:]).square().mean()))
    assert left_out == sorted(left_out, reverse=True)
    assert left_out[-1] < 0.9 * left_out[0]
    assert new == sorted(new)
