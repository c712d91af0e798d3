"""Transforms against scipy and numpy, and the algorithm against the table."""

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

from rfm_tutorial import ModularTask, accuracy
from rfm_tutorial.circulant import (
    circulant_block,
    circulant_deviation,
    circulant_matrix,
)
from rfm_tutorial.features import random_circulant_features
from rfm_tutorial.fourier import (
    dft_matrix,
    digit_phases,
    dominant_frequencies,
    fourier_multiplication,
    phases_to_scores,
    spectrum,
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


def in_fourier_space(block: Tensor) -> Tensor:
    """F A Fᴴ: what the block does to waves."""
    F = dft_matrix(len(block))
    return F @ block.to(F.dtype) @ F.conj().T


@given(n=st.integers(1, 9), seed=st.integers(0, 50))
def test_a_circulant_block_is_diagonal_in_fourier_space(n: int, seed: int) -> None:
    row = normal(n, seed=seed)
    image = in_fourier_space(circulant_matrix(row)).numpy()
    np.testing.assert_allclose(image, np.diag(np.fft.ifft(row.numpy()) * n), atol=1e-12)


@given(n=st.integers(1, 9), seed=st.integers(0, 50))
def test_what_is_off_the_diagonal_is_the_circulant_deviation(n: int, seed: int) -> None:
    block = normal(n, n, seed=seed)
    image = in_fourier_space(block)
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
    energy = in_fourier_space(block).diagonal().abs().square()
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


# ── Errors ────────────────────────────────────────────────────────────────────────────────────

PAIR = torch.tensor([[1, 1]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dft_matrix(0), "p must be an integer ≥ 1, got 0"),
        (lambda: spectrum(torch.ones(3, 2)), "block must be square"),
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
