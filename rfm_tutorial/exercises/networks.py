"""Exercises of "Do neural networks learn the same features?"."""

import math

import torch
from torch import Tensor

from rfm_tutorial.circulant import (
    circulant_matrix,
    hankel_matrix,
    project_circulant,
    project_hankel,
)
from rfm_tutorial.exercises.judging import Exercise, normal


def _energies(weights: Tensor) -> Tensor:
    """|DFT|² at the frequencies 0, 1, … ⌊p/2⌋."""
    return torch.fft.rfft(weights).abs().square()


def _frequency(weights: Tensor) -> int:
    return int(_energies(weights)[1:].argmax()) + 1


def _wave(p: int, frequency: int, phase: float, constant: float = 0.0) -> tuple[Tensor]:
    digit = torch.arange(p, dtype=torch.float64)
    wave = torch.cos(2 * torch.pi * frequency * digit / p + phase)
    return (constant + wave + 0.1 * normal(p),)


frequency = Exercise(
    reference=_frequency,
    cases={
        "a noisy wave of frequency 7 on 61 digits": lambda: _wave(61, 7, 1.0),
        "a wave on top of a large constant": lambda: _wave(61, 4, 0.5, constant=10.0),
        "a wave that is nearly a pure sine": lambda: _wave(31, 5, -math.pi / 2 + 0.01),
        "the highest frequency, 15 of 31": lambda: _wave(31, 15, 0.3),
    },
    mistakes={
        "frequency 0 is the constant part, which is no wave; leave it out of the search.": (
            lambda weights: int(_energies(weights).argmax())
        ),
        "you are one too low: after the constant is left out, the first entry belongs "
        "to frequency 1.": lambda weights: int(_energies(weights)[1:].argmax()),
        "this is the mirror frequency p − k; asked is the one from 1 to (p − 1) / 2.": (
            lambda weights: len(weights) - _frequency(weights)
        ),
        "you compare real parts; a wave with another phase is in the imaginary part, so take "
        "the absolute values.": (
            lambda weights: int(torch.fft.rfft(weights).real[1:].argmax()) + 1
        ),
    },
    returns="an int, the frequency",
    see='the function waves in the section "What a unit has learned"',
)


def _slopes(X: Tensor, W: Tensor) -> Tensor:
    return (X @ W.T > 0).to(W.dtype)


def _agop(S: Tensor, W: Tensor, V: Tensor) -> Tensor:
    """From the slopes of the hidden units, one row for each input."""
    return W.T @ (V.T @ V * (S.T @ S) / len(S)) @ W


def _layers(n: int, k: int) -> tuple[Tensor, Tensor, Tensor]:
    return normal(n, 6, seed=1), normal(k, 6, seed=2), normal(3, k, seed=3)


def _unit_that_is_off() -> tuple[Tensor, Tensor, Tensor]:
    X, W, V = _layers(8, 4)
    X[:, 0] = 1
    W[0] = 0
    W[0, 0] = -1
    return X, W, V


relu_agop = Exercise(
    reference=lambda X, W, V: _agop(_slopes(X, W), W, V),
    cases={
        "ten inputs and five units": lambda: _layers(10, 5),
        "a single input": lambda: _layers(1, 5),
        "a unit that is never switched on": _unit_that_is_off,
        "a single unit": lambda: _layers(7, 1),
    },
    mistakes={
        "this is the sum over the inputs; the AGOP is the mean.": (
            lambda X, W, V: len(X) * _agop(_slopes(X, W), W, V)
        ),
        "you use the activation max(h, 0) itself; its slope is 1 where h > 0, otherwise 0.": (
            lambda X, W, V: _agop((X @ W.T).relu(), W, V)
        ),
        "2h is the slope of the square; that of max(h, 0) is 1 where h > 0, otherwise 0.": (
            lambda X, W, V: _agop(2 * X @ W.T, W, V)
        ),
        "you keep only the diagonal of VᵀV ∘ SᵀS/n; two units that are on together count, too.": (
            lambda X, W, V: W.T @ torch.diag(_slopes(X, W).mean(0) * V.square().sum(0)) @ W
        ),
        "you subtract the mean slopes; the AGOP of the neural feature ansatz is not centred.": (
            lambda X, W, V: _agop(_slopes(X, W) - _slopes(X, W).mean(0), W, V)
        ),
    },
    returns="a (d, d) tensor, the AGOP",
    see='the derivation in the section "A network by hand"',
)


def _shares(block: Tensor, whole: Tensor) -> Tensor:
    """Circulant, Hankel and rest of a block, as shares of the energy of a whole."""
    energy = whole.square().sum()
    one = project_circulant(block).square().sum() / energy
    two = project_hankel(block).square().sum() / energy
    return torch.stack([one, two, 1 - one - two])


def _centred_shares(block: Tensor) -> Tensor:
    return _shares(block - block.mean(), block - block.mean())


def _roots(block: Tensor) -> Tensor:
    one, two = _centred_shares(block)[:2].sqrt()
    return torch.stack([one, two, 1 - one - two])


def _weave() -> tuple[Tensor]:
    block = circulant_matrix(normal(11, seed=4)) + 0.5 * hankel_matrix(normal(11, seed=5))
    return (block + 0.3 * normal(11, 11, seed=6) + 0.7,)


shares = Exercise(
    reference=_centred_shares,
    cases={
        "a weave of both kinds of stripes with noise, p = 11": _weave,
        "a circulant block": lambda: (circulant_matrix(normal(7, seed=7)),),
        "a Hankel block plus 100": lambda: (hankel_matrix(normal(7, seed=8)) + 100,),
    },
    mistakes={
        "the mean of the block is circulant *and* Hankel, and you count it twice: "
        "subtract it first.": lambda block: _shares(block, block),
        "circulant and Hankel are exchanged: circulant means that the entries with equal column "
        "minus row agree.": lambda block: _centred_shares(block)[[1, 0, 2]],
        "you divide by the energy of the block with its mean; the shares are those of the "
        "block without it.": lambda block: _shares(block - block.mean(), block),
        "you divide norms; energies are squared norms, and only those add up.": _roots,
    },
    returns="a tensor with three numbers: the shares of circulant, Hankel and rest",
    see='the section "Why circulant plus Hankel"',
)


def _twins(
    units: Tensor, p: int, first: float = 0.5, twin: tuple[float, float, float] = (1, -1, -0.5)
) -> Tensor:
    """`first` is the factor of a unit's output weights, `twin` has those of u, v and V."""
    u, v, V = units.tensor_split([p, 2 * p], dim=1)
    twins = torch.cat([twin[0] * u, twin[1] * v, twin[2] * V], 1)
    return torch.cat([torch.cat([u, v, first * V], 1), twins])


twins = Exercise(
    reference=_twins,
    cases={
        "six units, p = 5": lambda: (normal(6, 15, seed=9), 5),
        "a single unit": lambda: (normal(1, 9, seed=10), 3),
        "units with other numbers of outputs": lambda: (normal(4, 12, seed=11), 5),
    },
    mistakes={
        "the twins' output weights need a minus: (u + v)² + (u − v)² is 2u² + 2v², the squares "
        "that were to go.": lambda *inputs: _twins(*inputs, twin=(1, -1, 0.5)),
        "(u + v)² − (u − v)² is 4uv, and the unit had 2uv: halve the output weights.": (
            lambda *inputs: _twins(*inputs, first=1, twin=(1, -1, -1))
        ),
        "this network is right, too, but the text asks for twins with −v, not with −u.": (
            lambda *inputs: _twins(*inputs, twin=(-1, 1, -0.5))
        ),
        "if both signs change, the square stays the same, and the twin cancels its unit "
        "completely; change the sign of v only.": (
            lambda *inputs: _twins(*inputs, twin=(-1, -1, -0.5))
        ),
    },
    returns="a (2k, 2p + c) tensor, first the units, then their twins",
    see='the terms in the section "What the network computes"',
)
