"""Exercises of "The Fourier Multiplication Algorithm"."""

import torch
from torch import Tensor

from rfm_tutorial.circulant import circulant_matrix
from rfm_tutorial.exercises.judging import Exercise, normal
from rfm_tutorial.fourier import dft_matrix
from rfm_tutorial.tasks import ModularTask


def _scores(a: int, b: int, p: int, conjugate: str = "b") -> Tensor:
    F = dft_matrix(p)
    left = F[a].conj() if conjugate == "a" else F[a]
    right = F[b].conj() if conjugate == "b" else F[b]
    return p**0.5 * ((left * right) @ F.conj()).real


subtract = Exercise(
    reference=_scores,
    cases={
        "17 − 40 modulo 61": lambda: (17, 40, 61),
        "a digit minus itself": lambda: (4, 4, 7),
        "a modulus that is not prime": lambda: (3, 10, 12),
        "p = 2": lambda: (0, 1, 2),
    },
    mistakes={
        "these are the scores of a + b: to subtract, conjugate the phases of b.": (
            lambda a, b, p: _scores(a, b, p, conjugate="")
        ),
        "these are the scores of b − a: is there a conjugate on the phases of b, and one on those "
        "of the classes?": lambda a, b, p: _scores(a, b, p, conjugate="a"),
        "the factor √p is missing: the largest score has to be 1.": (
            lambda a, b, p: _scores(a, b, p) / p**0.5
        ),
        "F is not normalised: with exp(−2πi jk / p) / √p as its entries, the largest score is 1.": (
            lambda a, b, p: _scores(a, b, p) * p**1.5
        ),
    },
    returns="a real float64 tensor with p scores",
    see='the section "Subtract with a conjugate"',
)


def _gaps(frequencies: list[int], n: int) -> Tensor:
    """What the score of each wrong class lacks, from the frequencies as they are listed."""
    turns = (torch.arange(1, n)[:, None] * torch.tensor(frequencies) % n).double() / n
    return (1 - torch.cos(2 * torch.pi * turns)).sum(1) / n


def _margin(frequencies: list[int], n: int) -> float:
    with_mirrors = {f % n for f in frequencies} | {-f % n for f in frequencies}
    return float(_gaps(sorted(with_mirrors), n).min())


margin = Exercise(
    reference=_margin,
    cases={
        "frequencies 3 and 8 of 61": lambda: ([3, 8], 61),
        "a frequency that shares a factor with n": lambda: ([4], 12),
        "a frequency that is its own mirror": lambda: ([1, 6], 12),
        "a frequency together with its mirror": lambda: ([2, 5], 7),
        "all frequencies": lambda: (list(range(7)), 7),
    },
    mistakes={
        "the mirrors n − k are missing: each of them adds as much as its frequency.": (
            lambda frequencies, n: float(_gaps(frequencies, n).min())
        ),
        "a frequency counts once: n/2 and 0 are their own mirrors, and a mirror that is listed "
        "already is not counted again.": (
            lambda frequencies, n: float(2 * _gaps(frequencies, n).min())
        ),
        "you divide by the number of frequencies in use; the scores of the chapter are "
        "divided by n.": (
            lambda frequencies, n: _margin(frequencies, n) * n / (2 * len(frequencies))
        ),
        "this is the margin of one frequency that shares no factor with n; with more of them, look "
        "at every wrong class and take the smallest gap.": lambda frequencies, n: _margin([1], n),
    },
    returns="a number, the smallest gap between the label's score and another's",
    see='the section "How many frequencies are needed?"',
)


times = Exercise(
    reference=lambda row, v: circulant_matrix(row) @ v,
    cases={
        "two random vectors of 7 entries": lambda: tuple(normal(2, 7)),
        "an even number of entries": lambda: tuple(normal(2, 8, seed=1)),
        "a single entry": lambda: tuple(normal(2, 1, seed=2)),
        "the cyclic shift, which moves the entries of v": (
            lambda: (torch.eye(9).double()[1], torch.arange(1, 10).double())
        ),
    },
    mistakes={
        "right for a row that reads the same backwards, and otherwise this is Cᵀv: a wave turns "
        "the wrong way. Which sign has the exponent in λ_k = Σ c_m ω^(mk), and which has the "
        "transform?": lambda row, v: circulant_matrix(row).T @ v,
        "two conjugates, and now the result runs backwards; the vector is transformed as it is.": (
            lambda row, v: (circulant_matrix(row).T @ v).roll(-1).flip(0)
        ),
        "you are n times too small: ifft turns the other way, as it should, and divides by n.": (
            lambda row, v: circulant_matrix(row) @ v / len(v)
        ),
        "you are n times too large: transform with 1/√n twice, or divide by n once.": (
            lambda row, v: len(v) * circulant_matrix(row) @ v
        ),
        "you are √n times too small: with the unitary transform the eigenvalues are √n times the "
        "transform of the row.": lambda row, v: circulant_matrix(row) @ v / len(v) ** 0.5,
        "the conjugate is on the wrong factor: it belongs on the transform of the row.": (
            lambda row, v: circulant_matrix(v) @ row
        ),
        "entries are multiplied after the transform, and the product is transformed back.": (
            lambda row, v: row * v
        ),
    },
    returns="a real tensor with the entries of Cv",
    see='the section "What a circulant matrix does to a wave"',
)


def _weights(y: Tensor, corrected: bool = True) -> Tensor:
    """`corrected`: for the sum of the whole table W, which every sum of a row of y contains."""
    p = len(y)
    total = y.sum() / (2 * p + 2) if corrected else 0
    rows, columns = (y.sum(1) - total) / (p + 2), (y.sum(0) - total) / (p + 2)
    return (y - rows[:, None] - columns) / 2


def _table(operation: str, p: int, label: int) -> Tensor:
    return (ModularTask(operation, p).labels == label).double().reshape(p, p)


def _shuffled_table() -> tuple[Tensor]:
    cells = _table("add", 5, 2).flatten()
    order = torch.randperm(25, generator=torch.Generator().manual_seed(0))
    return (cells[order].reshape(5, 5),)


weights = Exercise(
    reference=_weights,
    cases={
        "a class of − mod 7": lambda: (_table("sub", 7, 3),),
        "a shuffled class": _shuffled_table,
        "a table of ones": lambda: (torch.ones(4, 4).double(),),
        "a table of zeros": lambda: (torch.zeros(3, 3).double(),),
    },
    mistakes={
        "this formula holds if every row and column of y has a single one; here they have not. Use "
        "the sums of the rows and columns as they are.": lambda y: y / 2 - 1 / (2 * len(y) + 2),
        "B is not 2 I: the sums of the row and of the column belong to it.": lambda y: y / 2,
        "the sum of a row of y is (p + 2) times the sum of that row of W, plus the sum of the "
        "whole table W, which you left out.": lambda y: _weights(y, corrected=False),
    },
    returns="a (p, p) tensor, the table W",
    see='the section "The theorem, step by step"',
)
