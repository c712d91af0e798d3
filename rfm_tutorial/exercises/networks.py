"""Exercises of "Do neural networks learn the same features?"."""

import math

import torch
from torch import Tensor

from rfm_tutorial.circulant import circulant_matrix, hankel_matrix, project_circulant
from rfm_tutorial.circulant import project_hankel as _hankel
from rfm_tutorial.exercises.judging import Exercise


def _noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _energies(weights: Tensor) -> Tensor:
    """|DFT|² at the frequencies 0, 1, … ⌊p/2⌋."""
    return torch.fft.rfft(weights).abs().square()


def _frequency(weights: Tensor) -> int:
    return int(_energies(weights)[1:].argmax()) + 1


def _wave(p: int, frequency: int, phase: float, constant: float = 0.0) -> tuple[Tensor]:
    digit = torch.arange(p, dtype=torch.float64)
    wave = torch.cos(2 * torch.pi * frequency * digit / p + phase)
    return (constant + wave + 0.1 * _noise(p),)


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
        "you compare real parts; a wave with another phase is in the imaginary part, "
        "so take the absolute values.": (
            lambda weights: int(torch.fft.rfft(weights).real[1:].argmax()) + 1
        ),
    },
    returns="an int, the frequency",
    see='the function waves in the section "What a unit has learned"',
)


def _relu_agop(X: Tensor, W: Tensor, V: Tensor) -> Tensor:
    S = (X @ W.T > 0).to(W.dtype)
    return W.T @ (V.T @ V * (S.T @ S) / len(X)) @ W


def _layers(n: int, k: int) -> tuple[Tensor, Tensor, Tensor]:
    return _noise(n, 6, seed=1), _noise(k, 6, seed=2), _noise(3, k, seed=3)


def _unit_that_is_off() -> tuple[Tensor, Tensor, Tensor]:
    X, W, V = _layers(8, 4)
    X[:, 0] = 1
    W[0] = 0
    W[0, 0] = -1
    return X, W, V


def _hidden_agop(S: Tensor, W: Tensor, V: Tensor) -> Tensor:
    return W.T @ (V.T @ V * (S.T @ S) / len(S)) @ W


relu_agop = Exercise(
    reference=_relu_agop,
    cases={
        "ten inputs and five units": lambda: _layers(10, 5),
        "a single input": lambda: _layers(1, 5),
        "a unit that is never switched on": _unit_that_is_off,
        "a single unit": lambda: _layers(7, 1),
    },
    mistakes={
        "this is the sum over the inputs; the AGOP is the mean.": lambda X, W, V: (
            len(X) * _relu_agop(X, W, V)
        ),
        "you use the activation max(h, 0) itself; its slope is 1 where h > 0, otherwise 0.": (
            lambda X, W, V: _hidden_agop((X @ W.T).relu(), W, V)
        ),
        "2h is the slope of the square; that of max(h, 0) is 1 where h > 0, "
        "otherwise 0.": lambda X, W, V: _hidden_agop(2 * X @ W.T, W, V),
        "you keep only the diagonal of VᵀV ∘ SᵀS/n; two units that are on together count, too.": (
            lambda X, W, V: W.T @ torch.diag((X @ W.T > 0).double().mean(0) * V.square().sum(0)) @ W
        ),
        "you subtract the mean slopes; the AGOP of the neural feature ansatz is not centred.": (
            lambda X, W, V: _hidden_agop(
                (X @ W.T > 0).to(W.dtype) - (X @ W.T > 0).to(W.dtype).mean(0), W, V
            )
        ),
    },
    returns="a (d, d) tensor, the AGOP",
    see='the derivation in the section "A network by hand"',
)


def _shares(block: Tensor) -> Tensor:
    block = block - block.mean()
    energy = block.square().sum()
    one = project_circulant(block).square().sum() / energy
    two = _hankel(block).square().sum() / energy
    return torch.stack([one, two, 1 - one - two])


def _shares_with_mean(block: Tensor) -> Tensor:
    energy = block.square().sum()
    one = project_circulant(block).square().sum() / energy
    two = _hankel(block).square().sum() / energy
    return torch.stack([one, two, 1 - one - two])


def _half_subtracted(block: Tensor) -> Tensor:
    """Without the mean in the projections, but with it in the energy."""
    parts = _shares(block)[:2] * (block - block.mean()).square().sum() / block.square().sum()
    return torch.stack([parts[0], parts[1], 1 - parts.sum()])


def _roots(block: Tensor) -> Tensor:
    one, two = _shares(block)[:2].sqrt()
    return torch.stack([one, two, 1 - one - two])


def _weave() -> tuple[Tensor]:
    block = circulant_matrix(_noise(11, seed=4)) + 0.5 * hankel_matrix(_noise(11, seed=5))
    return (block + 0.3 * _noise(11, 11, seed=6) + 0.7,)


shares = Exercise(
    reference=_shares,
    cases={
        "a weave of both kinds of stripes with noise, p = 11": _weave,
        "a circulant block": lambda: (circulant_matrix(_noise(7, seed=7)),),
        "a Hankel block plus 100": lambda: (hankel_matrix(_noise(7, seed=8)) + 100,),
    },
    mistakes={
        "the mean of the block is circulant *and* Hankel, and you count it twice: "
        "subtract it first.": _shares_with_mean,
        "circulant and Hankel are exchanged: circulant means that the entries with equal column "
        "minus row agree.": lambda block: _shares(block)[[1, 0, 2]],
        "you divide by the energy of the block with its mean; the shares are those of "
        "the block without it.": _half_subtracted,
        "you divide norms; energies are squared norms, and only those add up.": _roots,
    },
    returns="a tensor with three numbers: the shares of circulant, Hankel and rest",
    see='the section "Why circulant plus Hankel"',
)


def _split_units(units: Tensor, p: int) -> tuple[Tensor, Tensor, Tensor]:
    return units[:, :p], units[:, p : 2 * p], units[:, 2 * p :]


def _twins(units: Tensor, p: int) -> Tensor:
    u, v, V = _split_units(units, p)
    return torch.cat([torch.cat([u, v, V / 2], 1), torch.cat([u, -v, -V / 2], 1)])


def _twins_variant(u_sign: int, v_sign: int, out: float, first: float = 0.5):
    def answer(units: Tensor, p: int) -> Tensor:
        u, v, V = _split_units(units, p)
        twin = torch.cat([u_sign * u, v_sign * v, out * V], 1)
        return torch.cat([torch.cat([u, v, first * V], 1), twin])

    return answer


twins = Exercise(
    reference=_twins,
    cases={
        "six units, p = 5": lambda: (_noise(6, 15, seed=9), 5),
        "a single unit": lambda: (_noise(1, 9, seed=10), 3),
        "units with other numbers of outputs": lambda: (_noise(4, 12, seed=11), 5),
    },
    mistakes={
        "the twins' output weights need a minus: (u + v)² + (u − v)² is 2u² + 2v², the squares "
        "that were to go.": _twins_variant(1, -1, 0.5),
        "(u + v)² − (u − v)² is 4uv, and the unit had 2uv: "
        "halve the output weights.": _twins_variant(1, -1, -1.0, 1.0),
        "this network is right, too, but the text asks for twins with −v, "
        "not with −u.": _twins_variant(-1, 1, -0.5),
        "if both signs change, the square stays the same, and the twin cancels its unit "
        "completely; change the sign of v only.": _twins_variant(-1, -1, -0.5),
    },
    returns="a (2k, 2p + c) tensor, first the units, then their twins",
    see='the terms in the section "What the network computes"',
)
