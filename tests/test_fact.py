"""Features at convergence of kernel machines: the closed form, the theorem it comes from."""

import pytest
import torch
from helpers import CASES, KINDS_OF_ROWS, Case, difference, feature_matrix, normal, rows
from torch import Tensor

from rfm_tutorial import (
    GaussianKernel,
    KernelRidge,
    LaplaceKernel,
    ModularTask,
    QuadraticKernel,
    accuracy,
    circulant_deviation,
    predictor_fact,
    psd_power,
)

every_case = pytest.mark.parametrize("case", CASES, ids=str)


def machine(case: Case, Z: Tensor, features: str) -> KernelRidge:
    model = KernelRidge(case.kernel)
    model.centers_, model.dual_coef_ = Z, normal(len(Z), 3, seed=6)
    model.feature_matrix_ = feature_matrix(features, Z.shape[1])
    return model


@every_case
@pytest.mark.parametrize("kind", KINDS_OF_ROWS)
@pytest.mark.parametrize("features", ["none", "dense", "singular"])
def test_the_closed_form_is_the_sum_over_the_rows(case: Case, kind: str, features: str) -> None:
    Z = rows(kind)
    model = machine(case, Z, features)
    jacobians = torch.stack(
        [torch.func.jacrev(lambda x: model.predict(x[None])[0])(z.clone()) for z in Z]
    )
    expected = torch.einsum("icd,ic,ie->de", jacobians, model.dual_coef_, Z) / len(Z)
    assert difference(predictor_fact(model), expected) < 1e-11


@pytest.mark.parametrize("kernel", [GaussianKernel(2.0), LaplaceKernel(2.0), QuadraticKernel()])
@pytest.mark.parametrize("ridge", [1.0, 0.1])
def test_it_is_what_the_theorem_says_of_the_gradients_of_the_loss(kernel, ridge: float) -> None:
    """−(1/nλ) Σ (∂ℓ/∂x) xᵀ with nλ the ridge, ℓ half the squared error of a row."""
    X, Y = normal(18, 4, seed=1), normal(18, 3, seed=2)
    model = KernelRidge(kernel, ridge).fit(X, Y)
    inputs = X.clone().requires_grad_()
    loss = (model.predict(inputs) - Y).square().sum() / 2
    (slopes,) = torch.autograd.grad(loss, inputs)
    expected = -slopes.T @ X / ridge / len(X)
    assert difference(predictor_fact(model), expected) < 1e-7


@pytest.mark.parametrize("kernel", [GaussianKernel(2.0), LaplaceKernel(2.0)])
def test_a_shift_of_the_data_costs_no_digits(kernel) -> None:
    X, Y = normal(18, 4, seed=1), normal(18, 3, seed=2)
    here = predictor_fact(KernelRidge(kernel, 0.1).fit(X, Y))
    there = predictor_fact(KernelRidge(kernel, 0.1).fit(X + 1e6, Y))
    assert difference(there, here) < 1e-8


def test_the_loop_with_it_groks_and_with_shuffled_labels_does_not() -> None:
    split = ModularTask("add", 23).split(train_fraction=0.6, seed=0)

    def run(Y: Tensor) -> tuple[list[float], float]:
        M, found = torch.eye(46, dtype=torch.float64), []
        for _ in range(26):
            model = KernelRidge(GaussianKernel(2.5)).fit(split.X_train, Y, M)
            found.append(accuracy(model.predict(split.X_test), split.y_test))
            F = predictor_fact(model)
            M = psd_power(F @ F.T, 0.5)
            M *= 46 / M.trace()
        return found, circulant_deviation(M[:23, 23:])

    found, deviation = run(split.Y_train)
    assert max(found[:12]) == 0
    assert found[-1] > 0.6
    assert deviation < 0.1
    order = torch.randperm(len(split.Y_train), generator=torch.Generator().manual_seed(0))
    found, deviation = run(split.Y_train[order])
    assert max(found) < 0.1
    assert deviation > 0.8
