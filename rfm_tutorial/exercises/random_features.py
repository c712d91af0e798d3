"""Exercises of "Any circulant will do: random features, and what breaks it"."""

import torch
from torch import Tensor

from rfm_tutorial.circulant import circulant_matrix, impose_circulant
from rfm_tutorial.exercises.judging import Exercise
from rfm_tutorial.modular import ModularTask


def _noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _smallest_shift(C: Tensor) -> float:
    return float(torch.linalg.matrix_norm(C, 2))


shift = Exercise(
    reference=_smallest_shift,
    cases={
        "a random circulant block": lambda: (circulant_matrix(_noise(11)),),
        "a block whose square is zero": lambda: (torch.tensor([[0.0, 2.0], [0, 0]]).double(),),
        "the block −2 I": lambda: (-2 * torch.eye(4).double(),),
        "a block of zeros": lambda: (torch.zeros(3, 3).double(),),
    },
    mistakes={
        "this is the smallest eigenvalue of the joined matrix; the shift that lifts it to 0 has "
        "the other sign.": lambda C: -float(torch.linalg.matrix_norm(C, 2)),
        "this is the Frobenius norm, which is always enough but too much: the smallest shift is "
        "the largest singular value of C.": lambda C: float(C.norm()),
        "half of the mean singular value leaves negative eigenvalues, which is why the chapter "
        "clips after that shift; asked is a shift that needs no clipping.": (
            lambda C: float(torch.linalg.svdvals(C).mean() / 2)
        ),
        "these are the eigenvalues of C. They have the sizes of its singular values only if C is a "
        "normal matrix, as a circulant one is; take the singular values.": (
            lambda C: float(torch.linalg.eigvals(C).abs().max())
        ),
    },
    returns="a number, the smallest shift",
    see='the section "Three ways to make it a feature matrix"',
)


def _keep_frequencies(row: Tensor, kept: list[int]) -> Tensor:
    n = len(row)
    mask = torch.zeros(n, dtype=torch.bool)
    mask[[k % n for k in kept] + [-k % n for k in kept]] = True
    return torch.fft.ifft(torch.fft.fft(row) * mask).real


def _without_mirrors(row: Tensor, kept: list[int]) -> Tensor:
    mask = torch.zeros(len(row), dtype=torch.bool)
    mask[kept] = True
    return torch.fft.ifft(torch.fft.fft(row) * mask).real


waves = Exercise(
    reference=_keep_frequencies,
    cases={
        "two frequencies of eleven digits": lambda: (_noise(11), [1, 4]),
        "frequency 0": lambda: (_noise(7, seed=1), [0]),
        "a frequency that is its own mirror": lambda: (_noise(8, seed=2), [4, 1]),
        "a frequency together with its mirror": lambda: (_noise(9, seed=3), [2, 7]),
        "no frequency at all": lambda: (_noise(5, seed=4), []),
    },
    mistakes={
        "a real wave needs its mirror, frequency n − k, as well; without it, the real part is half "
        "of the wave.": _without_mirrors,
        "you removed the given frequencies and kept all others; asked is the other way round.": (
            lambda row, kept: row - _keep_frequencies(row, kept)
        ),
        "the inverse transform is not divided by n; keeping all frequencies has to "
        "give the row back.": lambda row, kept: len(row) * _keep_frequencies(row, kept),
    },
    returns="a tensor of the row's length",
    see='the section "How many frequencies?"',
)


def _moment(
    pairs: Tensor, labels: Tensor, size: float, mean: float, mixed: float = 4, level: float = 4
) -> Tensor:
    row = (pairs[:, :1] == pairs[:, 0]).double()
    column = (pairs[:, 1:] == pairs[:, 1]).double()
    same = (labels[:, None] == labels).double()
    kernel = size**2 * (row + column).square() + 2 + 2 * same
    return kernel + mixed * size * mean * (row + column) + level * mean**2


def _mean_kernel(pairs: Tensor, p: int, size: float, mean: float) -> Tensor:
    return _moment(pairs, pairs.sum(1) % p, size, mean)


moment = Exercise(
    reference=_mean_kernel,
    cases={
        "training pairs of + mod 7, λ = 3, m = 0.5": (
            lambda: (ModularTask("add", 7).split(0.5).pairs_train, 7, 3.0, 0.5)
        ),
        "m = 0, the kernel of the chapter": lambda: (ModularTask("add", 5).pairs, 5, 2.0, 0.0),
        "a negative mean": lambda: (ModularTask("add", 5).pairs, 5, 1.0, -2.0),
        "a single pair": lambda: (torch.tensor([[2, 4]]), 5, 1.5, 1.0),
    },
    mistakes={
        "two labels are the same if a + b and a′ + b′ agree modulo p.": (
            lambda pairs, p, size, mean: _moment(pairs, pairs.sum(1), size, mean)
        ),
        "you compare a − b; the two random entries coincide where b′ − a = b − a′, and that is "
        "where the sums agree.": (
            lambda pairs, p, size, mean: _moment(pairs, (pairs[:, 0] - pairs[:, 1]) % p, size, mean)
        ),
        "the mixed term of the square no longer vanishes: the two random entries "
        "together have the mean 2m.": (
            lambda pairs, p, size, mean: _moment(pairs, pairs.sum(1) % p, size, mean, mixed=0)
        ),
        "the sum of the two random entries has the mean 2m, whose square is 4m².": (
            lambda pairs, p, size, mean: _moment(pairs, pairs.sum(1) % p, size, mean, level=1)
        ),
        "this is the chapter's kernel, for rows with mean 0: m is not used.": (
            lambda pairs, p, size, mean: _moment(pairs, pairs.sum(1) % p, size, 0.0)
        ),
    },
    returns="an (n, n) tensor, one row and one column for each pair",
    see='the section "What a random row sees"',
)


def _move(M: Tensor, steps: int) -> Tensor:
    """Both digits of both arguments moved along."""
    p = len(M) // 2
    return M.reshape(2, p, 2, p).roll((steps, steps), (1, 3)).reshape(2 * p, 2 * p)


def _average(M: Tensor) -> Tensor:
    return impose_circulant(M, "add")


def _positive(p: int, seed: int = 0) -> tuple[Tensor]:
    half = _noise(2 * p, 2 * p, seed=seed)
    return (half @ half.T,)


def _first_digit_only(M: Tensor) -> Tensor:
    p = len(M) // 2
    moved = []
    for steps in range(p):
        order = torch.cat([torch.arange(p).roll(steps), torch.arange(p, 2 * p)])
        moved.append(M[order][:, order])
    return torch.stack(moved).mean(0)


average = Exercise(
    reference=_average,
    cases={
        "a random PSD matrix for p = 5": lambda: _positive(5),
        "p = 2": lambda: _positive(2, seed=1),
        "a matrix that has the symmetry already": lambda: (_average(*_positive(7, seed=2)),),
    },
    mistakes={
        "you move all 2p rows as one circle, so that digits of a become digits of b; each half is "
        "a circle of its own.": (
            lambda M: torch.stack([M.roll((steps, steps), (0, 1)) for steps in range(len(M))]).mean(
                0
            )
        ),
        "you move digit a and leave digit b where it is, which averages the block that joins them "
        "away; both move together.": _first_digit_only,
        "this is the sum over the shifts; divide by p.": (
            lambda M: torch.stack([_move(M, steps) for steps in range(len(M) // 2)]).sum(0)
        ),
        "one shift is missing: moving by 0 places, which leaves M as it is, counts too.": (
            lambda M: torch.stack([_move(M, steps) for steps in range(1, len(M) // 2)]).mean(0)
        ),
    },
    returns="a (2p, 2p) tensor",
    see='the sections "What the shift leaves alone" and "Inside the loop"',
)
