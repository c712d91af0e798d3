"""The theorem's proof, point by point, and what is only observed."""

import numpy as np
import pytest
import scipy.linalg
import torch
from helpers import normal
from torch import Tensor

from rfm_tutorial import ModularTask, QuadraticKernel, accuracy
from rfm_tutorial.theorem import (
    class_features,
    fit_quadratic_forms,
    fma_forms,
    theorem_forms,
)


def table(operation: str, p: int) -> tuple[Tensor, Tensor, Tensor]:
    """All pairs, their labels and their one-hot labels."""
    task = ModularTask(operation, p)
    return task.pairs, task.labels, torch.eye(p, dtype=torch.float64)[task.labels]


def inputs(p: int) -> Tensor:
    task = ModularTask("add", p)
    return task.encode(task.pairs)


def permutation_features(p: int, seed: int) -> Tensor:
    """As `class_features`, with a random permutation in the place of each shift."""
    features = torch.zeros(p, 2 * p, 2 * p, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    for label in range(p):
        block = torch.eye(p).double()[torch.randperm(p, generator=generator)]
        features[label, p:, :p], features[label, :p, p:] = block, block.T
    return features


@pytest.mark.parametrize("p", [2, 3, 7])
def test_class_features_are_powers_of_the_shift(p: int) -> None:
    features = class_features(p)
    shift = np.roll(np.eye(p), 1, axis=1)
    for label, M in enumerate(features.numpy()):
        power = np.linalg.matrix_power(shift, label)
        zero = np.zeros((p, p))
        assert np.array_equal(M, np.block([[zero, power.T], [power, zero]]))
        np.testing.assert_allclose(np.linalg.eigvalsh(M), [-1] * p + [1] * p, atol=1e-12)
    # e_bᵀ Cˡ e_a is 1 exactly if a − b = ℓ.
    pairs, labels, _ = table("sub", p)
    for (a, b), label in zip(pairs.tolist(), labels.tolist(), strict=True):
        assert features[:, p + b, a].nonzero().item() == label


@pytest.mark.parametrize("p", [2, 3, 5, 7, 11])
def test_the_gram_matrix_of_all_pairs_has_full_rank(p: int) -> None:
    """Its eigenvalues are ±2, ±(p + 2) and ±(2p + 2), with the multiplicities of the proof."""
    for M in [*class_features(p)[: min(p, 4)], permutation_features(p, 0)[0]]:
        X = inputs(p)
        K = QuadraticKernel(1.0)(X, X, M)
        eigenvalues = np.abs(np.linalg.eigvalsh(K.numpy()))
        expected = [2.0] * (p - 1) ** 2 + [p + 2.0] * (2 * (p - 1)) + [2 * p + 2.0]
        np.testing.assert_allclose(np.sort(eigenvalues), expected, atol=1e-10)
        assert np.linalg.matrix_rank(K.numpy()) == p * p


@pytest.mark.parametrize("p", [3, 5, 7, 11])
@pytest.mark.parametrize("operation", ["add", "sub"])
def test_the_closed_form_is_what_fitting_gives(operation: str, p: int) -> None:
    """Point 3; and by point 2 features for "sub", or of no meaning at all, do for "add" as well."""
    _, labels, one_hot = table(operation, p)
    X = inputs(p)
    expected = theorem_forms(p, operation)
    for features in (class_features(p), permutation_features(p, 1)):
        fitted = fit_quadratic_forms(X, one_hot, features)
        assert set(fitted.ranks) == {p * p}
        torch.testing.assert_close(fitted.forms, expected, atol=1e-11, rtol=0)
        torch.testing.assert_close(fitted.predict(X), one_hot, atol=1e-11, rtol=0)
        assert accuracy(fitted.predict(X), labels) == 1.0


def test_any_labels_are_interpolated_and_the_features_drop_out() -> None:
    """Points 1 and 2: fitting all pairs proves nothing about the labels or the features."""
    p = 7
    X = inputs(p)
    noise = normal(p * p, p)
    fitted = fit_quadratic_forms(X, noise, class_features(p))
    torch.testing.assert_close(fitted.predict(X), noise, atol=1e-10, rtol=0)
    other = fit_quadratic_forms(X, noise, permutation_features(p, 2))
    torch.testing.assert_close(other.forms, fitted.forms, atol=1e-10, rtol=0)
    # f(u ⊕ v) = Σ_ab (B⁻¹y)_ab (u_a + v_b)²
    one, J = np.eye(p), np.ones((p, p))
    B = np.kron(one, J) + np.kron(J, one) + 2 * np.kron(one, one)
    weights = np.linalg.solve(B, noise.numpy()).reshape(p, p, p)
    x = normal(5, 2 * p, seed=9)
    u, v = x[:, :p].numpy(), x[:, p:].numpy()
    expected = np.einsum("abl,nab->nl", weights, (u[:, :, None] + v[:, None, :]) ** 2)
    np.testing.assert_allclose(fitted.predict(x), expected, atol=1e-10)


@pytest.mark.parametrize("p", [5, 13])
@pytest.mark.parametrize("operation", ["add", "sub"])
def test_predictor_and_fma_differ_by_what_no_class_sees(operation: str, p: int) -> None:
    """Point 4, on inputs that are no pairs."""
    x = normal(20, 2 * p)
    u, v = x[:, :p], x[:, p:]
    fma = torch.einsum("nd,pde,ne->np", x, fma_forms(p, operation), x)
    predictor = torch.einsum("nd,pde,ne->np", x, theorem_forms(p, operation), x)
    gap = (u.square().sum(1) + v.square().sum(1)) / (2 * p + 2) - u.sum(1) * v.sum(1) / (p + 1)
    torch.testing.assert_close(predictor - fma, gap[:, None].expand(-1, p))
    assert torch.equal(predictor.argmax(1), fma.argmax(1))
    # In Fourier space, and on pairs.
    F = scipy.linalg.dft(p, scale="sqrtn")
    Fu, Fv = u.numpy() @ F, v.numpy() @ F
    Fv = Fv if operation == "add" else Fv.conj()
    np.testing.assert_allclose(fma, p**0.5 * (Fu * Fv) @ F.conj(), atol=1e-10)
    pairs, _, one_hot = table(operation, p)
    X = ModularTask(operation, p).encode(pairs)
    on_pairs = torch.einsum("nd,pde,ne->np", X, fma_forms(p, operation), X)
    torch.testing.assert_close(on_pairs, one_hot, atol=1e-12, rtol=0)


@pytest.mark.parametrize("operation", ["add", "sub"])
def test_half_the_table_teaches_the_theorem_s_machines_nothing(operation: str) -> None:
    """Observed, not proved: singular systems, and nothing better than chance on new pairs."""
    p = 13
    split = ModularTask(operation, p).split(0.5, seed=0)
    fitted = fit_quadratic_forms(split.X_train, split.Y_train, class_features(p))
    assert min(fitted.ranks) < len(split.X_train)
    assert accuracy(fitted.predict(split.X_test), split.y_test) < 0.15
    # Where the solution is not unique, it is the least-squares solution of smallest norm.
    label = int(np.argmin(fitted.ranks))
    M = class_features(p)[label]
    K = QuadraticKernel(1.0)(split.X_train, split.X_train, M).numpy()
    alpha = np.linalg.lstsq(K, split.Y_train[:, label].numpy(), rcond=1e-10)[0]
    expected = QuadraticKernel(1.0)(split.X_test, split.X_train, M).numpy() @ alpha
    np.testing.assert_allclose(fitted.predict(split.X_test)[:, label], expected, atol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: class_features(1), "modulus must be an integer ≥ 2"),
        (lambda: fma_forms(7, "mul"), "operation must be one of 'add', 'sub'"),
        (lambda: theorem_forms(7, "div"), "operation must be one of 'add', 'sub'"),
        (
            lambda: fit_quadratic_forms(torch.eye(6), torch.eye(6), class_features(3)),
            r"features must have shape \(6, 6, 6\)",
        ),
    ],
)
def test_a_wrong_argument_is_named(call, message: str, no_type_checks: None) -> None:
    with pytest.raises(ValueError, match=message):
        call()
