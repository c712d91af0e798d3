"""Transforms against scipy and numpy, the algorithm against the table, and the theorem's proof."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from helpers import normal
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rfm_tutorial import ModularTask, QuadraticKernel, accuracy
from rfm_tutorial.circulant import (
    circulant_block,
    circulant_deviation,
    circulant_matrix,
)
from rfm_tutorial.features import random_circulant_features
from rfm_tutorial.fourier import (
    class_features,
    class_gram,
    dft_matrix,
    digit_phases,
    dominant_frequencies,
    fit_quadratic_forms,
    fma_forms,
    fourier_block,
    fourier_multiplication,
    phases_to_scores,
    real_fourier_basis,
    spectrum,
    theorem_forms,
)
from rfm_tutorial.number_theory import discrete_log_order
from rfm_tutorial.operations import GROUP_OPERATIONS


def table(operation: str, p: int) -> tuple[Tensor, Tensor, Tensor]:
    """All pairs, their labels and their one-hot labels."""
    task = ModularTask(operation, p)
    return task.pairs, task.labels, torch.eye(p, dtype=torch.float64)[task.labels]


# ── Transforms ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("p", [1, 2, 5, 12, 61, 97])
def test_the_dft_is_unitary_and_that_of_scipy(p: int) -> None:
    F = dft_matrix(p)
    assert F.dtype == torch.complex128
    np.testing.assert_allclose(F.numpy(), scipy.linalg.dft(p, scale="sqrtn"), atol=1e-12)
    np.testing.assert_allclose((F @ F.conj().T).numpy(), np.eye(p), atol=1e-13)


@pytest.mark.parametrize("p", [1, 2, 3, 4, 5, 12, 61])
def test_the_real_basis_is_orthogonal_and_made_of_waves(p: int) -> None:
    basis = real_fourier_basis(p)
    assert basis.dtype == torch.float64
    torch.testing.assert_close(basis @ basis.T, torch.eye(p).double(), atol=1e-13, rtol=0)
    j = torch.arange(p).double()
    torch.testing.assert_close(basis[0], torch.full((p,), p**-0.5).double())
    for k in range(1, (p + 1) // 2):
        wave = (2 / p) ** 0.5 * torch.exp(2j * torch.pi * k * j / p)
        torch.testing.assert_close(basis[2 * k - 1], wave.real, atol=1e-13, rtol=0)
        torch.testing.assert_close(basis[2 * k], wave.imag, atol=1e-13, rtol=0)


@pytest.mark.parametrize("p", [7, 12])
def test_in_the_real_basis_a_circulant_matrix_is_rotations_times_scales(p: int) -> None:
    row = normal(p)
    basis = real_fourier_basis(p)
    image = basis @ circulant_matrix(row) @ basis.T
    sizes = np.abs(np.fft.fft(row.numpy()))
    for k in range(1, (p + 1) // 2):
        pair = slice(2 * k - 1, 2 * k + 1)
        scale = torch.eye(2).double() * sizes[k] ** 2
        torch.testing.assert_close(image[pair, pair] @ image[pair, pair].T, scale)
        image[pair, pair] = 0
    image[0, 0] = 0
    if p % 2 == 0:
        image[p - 1, p - 1] = 0
    assert float(image.abs().max()) < 1e-12


@given(n=st.integers(1, 9), seed=st.integers(0, 50))
def test_a_circulant_block_is_diagonal_in_fourier_space(n: int, seed: int) -> None:
    row = normal(n, seed=seed)
    image = fourier_block(circulant_matrix(row)).numpy()
    np.testing.assert_allclose(image, np.diag(np.fft.ifft(row.numpy()) * n), atol=1e-12)


@given(n=st.integers(1, 9), seed=st.integers(0, 50))
def test_what_is_off_the_diagonal_is_the_circulant_deviation(n: int, seed: int) -> None:
    block = normal(n, n, seed=seed)
    image = fourier_block(block)
    diagonal = float(image.diagonal().abs().square().sum())
    total = float(block.square().sum())
    assert diagonal / total == pytest.approx(1 - circulant_deviation(block), abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 7, 12])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_spectrum_holds_the_energy_of_each_pair_of_frequencies(n: int, dtype) -> None:
    row = normal(n, dtype=dtype)
    energy = np.abs(np.fft.fft(row.double().numpy())) ** 2
    expected = [sum(energy[list({k, -k % n})]) for k in range(n // 2 + 1)]
    shares = spectrum(circulant_matrix(row))
    assert shares.dtype == torch.float64
    np.testing.assert_allclose(shares, np.array(expected) / energy.sum(), rtol=1e-10)
    assert float(shares.sum()) == pytest.approx(1, abs=1e-12)


def test_a_spectrum_of_a_matrix_that_is_not_circulant() -> None:
    block = normal(9, 9)
    energy = fourier_block(block).diagonal().abs().square()
    energy = torch.tensor([energy[0], *(energy[k] + energy[-k] for k in range(1, 5))])
    torch.testing.assert_close(spectrum(block), energy / energy.sum())
    assert spectrum(torch.zeros(4, 4)).isnan().all()


def test_dominant_frequencies_are_those_that_were_put_in() -> None:
    j = 2 * torch.pi * torch.arange(61).double() / 61
    block = circulant_matrix(3 * torch.cos(7 * j + 1) + 2 * torch.cos(20 * j) + torch.cos(3 * j))
    assert dominant_frequencies(block, share=1.0).tolist() == [7, 20, 3]
    assert dominant_frequencies(block, share=0.9).tolist() == [7, 20]
    assert dominant_frequencies(block + 0.01 * normal(61, 61), share=0.6).tolist() == [7]


@given(seed=st.integers(0, 50), share=st.floats(0.01, 1))
def test_dominant_frequencies_are_as_few_as_can_be(seed: int, share: float) -> None:
    block = circulant_matrix(normal(12, seed=seed))
    shares, chosen = spectrum(block), dominant_frequencies(block, share)
    assert float(shares[chosen].sum()) >= share - 1e-9
    assert float(shares[chosen[:-1]].sum()) < share
    assert shares[chosen].tolist() == sorted(shares.tolist(), reverse=True)[: len(chosen)]


def test_random_features_spread_over_many_frequencies() -> None:
    block = circulant_block(random_circulant_features("mul", 61), "mul")
    chosen = dominant_frequencies(block, 0.9)
    assert 15 < len(chosen) < 30
    pairs, labels, _ = table("mul", 61)
    assert accuracy(fourier_multiplication(pairs, 61, "mul", frequencies=chosen), labels) == 1.0


# ── The algorithm ─────────────────────────────────────────────────────────────────────────────


def test_the_formula_as_it_is_written() -> None:
    p = 7
    F = scipy.linalg.dft(p, scale="sqrtn")
    for operation in ("add", "sub"):
        pairs, _, _ = table(operation, p)
        scores = fourier_multiplication(pairs, p, operation)
        for (a, b), row in zip(pairs.tolist(), scores.tolist(), strict=True):
            second = F[:, b] if operation == "add" else F[:, b].conj()
            written = [p**0.5 * np.vdot(F[:, label], F[:, a] * second) for label in range(p)]
            np.testing.assert_allclose(row, written, atol=1e-13)


@pytest.mark.parametrize("p", [2, 3, 4, 6, 12, 31, 43, 61, 97])
@pytest.mark.parametrize("operation", GROUP_OPERATIONS)
def test_the_fma_is_the_table_on_all_pairs(operation: str, p: int) -> None:
    if operation in ("mul", "div") and p in (4, 6, 12):
        with pytest.raises(ValueError, match=f"modulus must be prime for '{operation}', got {p}"):
            fourier_multiplication(torch.tensor([[1, 1]]), p, operation)
        return
    pairs, labels, one_hot = table(operation, p)
    scores = fourier_multiplication(pairs, p, operation)
    assert scores.dtype == torch.float64
    assert scores.shape == (len(pairs), p)
    assert float((scores - one_hot).abs().max()) < 1e-12
    assert torch.equal(scores.argmax(1), labels)


def test_the_fma_takes_pairs_in_any_order_and_number() -> None:
    pairs = torch.tensor([[0, 0], [60, 60], [0, 0], [5, 0]])
    assert fourier_multiplication(pairs, 61).argmax(1).tolist() == [0, 59, 0, 5]
    assert fourier_multiplication(pairs, 61, "mul").argmax(1).tolist() == [0, 1, 0, 0]
    assert fourier_multiplication(pairs[:0], 61, "mul").shape == (0, 61)


def test_products_with_a_zero_are_treated_apart() -> None:
    """No frequency is needed for them: they have score 1 for class 0 whatever is left out."""
    for operation, pair in (("mul", [0, 9]), ("mul", [9, 0]), ("mul", [0, 0]), ("div", [0, 9])):
        scores = fourier_multiplication(torch.tensor([pair]), 61, operation, frequencies=[1])
        assert scores[0, 0] == 1
        assert not scores[0, 1:].any()


def test_the_three_steps_are_the_whole() -> None:
    pairs, _, one_hot = table("sub", 13)
    a, b = pairs.unbind(1)
    left, right = digit_phases(a, 13), digit_phases(b, 13)
    np.testing.assert_allclose(left.abs(), np.full((169, 13), 13**-0.5))
    torch.testing.assert_close(phases_to_scores(left * right.conj(), 13), one_hot)
    # The same for ×, on exponents: phases of p − 1 digits, and classes back in natural order.
    pairs, labels, _ = table("mul", 13)
    nonzero = (pairs != 0).all(1)
    order = discrete_log_order(13)
    i, j = (order == pairs[nonzero][:, :, None]).int().argmax(2).unbind(1)
    scores = phases_to_scores(digit_phases(i, 12) * digit_phases(j, 12), 12)
    assert torch.equal(order[scores.argmax(1)], labels[nonzero])


@pytest.mark.parametrize("operation", GROUP_OPERATIONS)
def test_one_frequency_is_enough_if_it_shares_no_factor_with_the_digits(operation: str) -> None:
    p = 31
    pairs, labels, _ = table(operation, p)
    nonzero = (pairs != 0).all(1)
    n = p - 1 if operation in ("mul", "div") else p
    for k in range(n // 2 + 1):
        scores = fourier_multiplication(pairs, p, operation, frequencies=[k])[nonzero]
        best = scores.topk(2).values
        margins = best[:, 0] - best[:, 1]
        if math.gcd(k, n) == 1:
            assert accuracy(scores, labels[nonzero]) == 1.0
            expected = 2 / n * (1 - math.cos(2 * math.pi / n))
            np.testing.assert_allclose(margins, expected, rtol=1e-9)
        else:
            assert float(margins.max()) < 1e-12


def test_frequencies_add_up_and_widen_the_margin() -> None:
    p = 61
    pairs, labels, one_hot = table("add", p)
    rows = torch.arange(len(pairs))
    total, margin, chosen = torch.zeros_like(one_hot), 0.0, []
    for k in (
        0,
        *(int(k) for k in torch.randperm(30, generator=torch.Generator().manual_seed(0)) + 1),
    ):
        chosen.append(k)
        total += fourier_multiplication(pairs, p, frequencies=[k])
        if len(chosen) % 10 == 2:
            scores = fourier_multiplication(pairs, p, frequencies=chosen)
            torch.testing.assert_close(scores, total, atol=1e-12, rtol=0)
            torch.testing.assert_close(
                scores[rows, labels], torch.full((p * p,), (2 * len(chosen) - 1) / p).double()
            )
            best = scores.topk(2).values
            wider = float((best[:, 0] - best[:, 1]).min())
            assert wider > margin
            margin = wider
    torch.testing.assert_close(total, one_hot, atol=1e-12, rtol=0)


@pytest.mark.parametrize("frequencies", [[1, 5], (5, 1, 60), {1, 56}, torch.tensor([5, 60, 60])])
def test_a_frequency_brings_its_mirror(frequencies) -> None:
    pairs, _, _ = table("add", 61)
    expected = fourier_multiplication(pairs, 61, frequencies=[1, 5, 56, 60])
    assert torch.equal(fourier_multiplication(pairs, 61, frequencies=frequencies), expected)
    assert digit_phases(pairs[:, 0], 61, frequencies).shape == (3721, 4)


# ── The theorem ───────────────────────────────────────────────────────────────────────────────


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
        K = class_gram(M, scale=1.0)
        X = inputs(p)
        assert torch.equal(K, QuadraticKernel(1.0)(X, X, M))
        eigenvalues = np.abs(np.linalg.eigvalsh(K.numpy()))
        expected = [2.0] * (p - 1) ** 2 + [p + 2.0] * (2 * (p - 1)) + [2 * p + 2.0]
        np.testing.assert_allclose(np.sort(eigenvalues), expected, atol=1e-10)
        assert np.linalg.matrix_rank(K.numpy()) == p * p
        torch.testing.assert_close(class_gram(M), 3 * K)


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


# ── Errors ────────────────────────────────────────────────────────────────────────────────────

PAIR = torch.tensor([[1, 1]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dft_matrix(0), "p must be an integer ≥ 1, got 0"),
        (lambda: real_fourier_basis(0), "p must be an integer ≥ 1"),
        (lambda: fourier_block(torch.ones(3, 2)), "block must be square"),
        (lambda: spectrum(torch.ones(3)), "block must have 2 dimensions"),
        (lambda: dominant_frequencies(torch.eye(3), 1.5), r"share must lie in \(0, 1\], got 1.5"),
        (lambda: dominant_frequencies(torch.eye(3), 0), r"share must lie in \(0, 1\]"),
        (lambda: dominant_frequencies(torch.zeros(3, 3)), "block must have a circulant part"),
        (lambda: digit_phases(torch.tensor([7]), 7), "digits must lie in 0 … 6"),
        (lambda: digit_phases(torch.tensor([[1]]), 7, [1]), r"digits must have shape \(1,\)"),
        (lambda: digit_phases(torch.tensor([1]), 7, []), "frequencies must be some of 0 … 6"),
        (lambda: digit_phases(torch.tensor([1]), 7, [7]), "frequencies must be some of 0 … 6"),
        (lambda: digit_phases(torch.tensor([1]), 7, [-1]), "frequencies must be an integer ≥ 0"),
        (lambda: phases_to_scores(dft_matrix(5), 7), "phases must be complex with 7 columns"),
        (lambda: phases_to_scores(torch.eye(7), 7), "got torch.float32 of shape"),
        (lambda: fourier_multiplication(PAIR, 60, "mul"), "must be prime for 'mul', got 60"),
        (lambda: fourier_multiplication(PAIR, 60, "div"), "must be prime for 'div', got 60"),
        (lambda: fourier_multiplication(PAIR, 1), "modulus must be an integer ≥ 2"),
        (lambda: fourier_multiplication(PAIR, 7, "x^2+y^2"), "operation must be one of 'add'"),
        (lambda: fourier_multiplication(PAIR.T, 7), r"pairs must have shape \(N, 2\)"),
        (lambda: fourier_multiplication(PAIR + 6, 7), "pairs must lie in 0 … 6"),
        (lambda: fourier_multiplication(PAIR.float(), 7), "pairs must be int64"),
        (lambda: fourier_multiplication(PAIR, 7, "mul", [6]), "frequencies must be some of 0 … 5"),
        (
            lambda: fourier_multiplication(torch.tensor([[1, 1], [3, 0]]), 7, "div"),
            r"pairs must have b ≠ 0 for 'div', got \(3, 0\) in row 1",
        ),
        (lambda: class_features(1), "modulus must be an integer ≥ 2"),
        (lambda: class_gram(torch.ones(4, 6)), "features must be square"),
        (lambda: fma_forms(7, "mul"), "operation must be one of 'add', 'sub'"),
        (lambda: theorem_forms(7, "div"), "operation must be one of 'add', 'sub'"),
        (
            lambda: fit_quadratic_forms(torch.eye(6), torch.eye(6), class_features(3)),
            r"features must have shape \(6, 6, 6\)",
        ),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named(call, message: str, no_type_checks: None) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_pairs_that_are_no_tensor_are_a_type_error(no_type_checks: None) -> None:
    digits: Any = [1, 2]
    pairs: Any = [digits]
    with pytest.raises(TypeError, match=r"pairs must be a torch\.Tensor, got list"):
        fourier_multiplication(pairs, 7)
    with pytest.raises(TypeError, match=r"digits must be a torch\.Tensor, got list"):
        digit_phases(digits, 7)
