"""Exercises of "Any circulant will do: random features, and what breaks it"."""

import torch
from torch import Tensor

from rfm_tutorial.circulant import circulant_matrix, impose_circulant
from rfm_tutorial.exercises.judging import Exercise, normal, psd
from rfm_tutorial.tasks import ModularTask

shift = Exercise(
    reference=lambda C: float(torch.linalg.matrix_norm(C, 2)),
    cases={
        "a random circulant block": lambda: (circulant_matrix(normal(11)),),
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
        "normal matrix, as a circulant one is; "
        "take the singular values.": lambda C: float(torch.linalg.eigvals(C).abs().max()),
    },
    returns="a number, the smallest shift",
    see='the section "Three ways to make it a feature matrix"',
)


def _keep(row: Tensor, kept: list[int]) -> Tensor:
    """The part of a row with these frequencies and no others, not even their mirrors."""
    mask = torch.zeros(len(row), dtype=torch.bool)
    mask[kept] = True
    return torch.fft.ifft(torch.fft.fft(row) * mask).real


def _keep_waves(row: Tensor, kept: list[int]) -> Tensor:
    return _keep(row, kept + [-k % len(row) for k in kept])


waves = Exercise(
    reference=_keep_waves,
    cases={
        "two frequencies of eleven digits": lambda: (normal(11), [1, 4]),
        "frequency 0": lambda: (normal(7, seed=1), [0]),
        "a frequency that is its own mirror": lambda: (normal(8, seed=2), [4, 1]),
        "a frequency together with its mirror": lambda: (normal(9, seed=3), [2, 7]),
        "no frequency at all": lambda: (normal(5, seed=4), []),
    },
    mistakes={
        "a real wave needs its mirror, frequency n − k, as well; without it, the real part is half "
        "of the wave.": _keep,
        "you removed the given frequencies and kept all others; asked is the other way round.": (
            lambda row, kept: row - _keep_waves(row, kept)
        ),
        "the inverse transform is not divided by n; keeping all frequencies has to give "
        "the row back.": lambda row, kept: len(row) * _keep_waves(row, kept),
    },
    returns="a tensor of the row's length",
    see='the section "How many frequencies?", where a wave is explained',
)


def _moment(
    pairs: Tensor,
    p: int,
    size: float,
    mean: float,
    *,
    labels: Tensor | None = None,
    mixed: float = 4,
    level: float = 4,
) -> Tensor:
    labels = pairs.sum(1) % p if labels is None else labels
    row = (pairs[:, :1] == pairs[:, 0]).double()
    column = (pairs[:, 1:] == pairs[:, 1]).double()
    same = (labels[:, None] == labels).double()
    kernel = size**2 * (row + column).square() + 2 + 2 * same
    return kernel + mixed * size * mean * (row + column) + level * mean**2


moment = Exercise(
    reference=_moment,
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
            lambda pairs, p, size, mean: _moment(pairs, p, size, mean, labels=pairs.sum(1))
        ),
        "you compare a − b; the two random entries coincide where b′ − a = b − a′, and that is "
        "where the sums agree.": (
            lambda pairs, p, *rest: _moment(pairs, p, *rest, labels=(pairs[:, 0] - pairs[:, 1]) % p)
        ),
        "the mixed term of the square no longer vanishes: the two random entries together have "
        "the mean 2m.": lambda *inputs: _moment(*inputs, mixed=0),
        "the sum of the two random entries has the mean 2m, whose square is 4m².": (
            lambda *inputs: _moment(*inputs, level=1)
        ),
        "this is the chapter's kernel, for rows with mean 0: m is not used.": (
            lambda pairs, p, size, mean: _moment(pairs, p, size, 0.0)
        ),
    },
    returns="an (n, n) tensor, one row and one column for each pair",
    see='the section "What a random row sees"',
)


def _moved(M: Tensor) -> Tensor:
    """M after both digits of both arguments have moved along by 0, 1, … p − 1 places."""
    p = len(M) // 2
    parts = M.reshape(2, p, 2, p)
    return torch.stack([parts.roll((k, k), (1, 3)).reshape(M.shape) for k in range(p)])


def _first_digit_only(M: Tensor) -> Tensor:
    p = len(M) // 2
    moved = []
    for steps in range(p):
        order = torch.cat([torch.arange(p).roll(steps), torch.arange(p, 2 * p)])
        moved.append(M[order][:, order])
    return torch.stack(moved).mean(0)


average = Exercise(
    reference=lambda M: impose_circulant(M, "add"),
    cases={
        "a random PSD matrix for p = 5": lambda: (psd(10, 0),),
        "p = 2": lambda: (psd(4, 1),),
        "a matrix that has the symmetry already": lambda: (impose_circulant(psd(14, 2), "add"),),
    },
    mistakes={
        "you move all 2p rows as one circle, so that digits of a become digits of b; each half is "
        "a circle of its own.": (
            lambda M: torch.stack([M.roll((k, k), (0, 1)) for k in range(len(M))]).mean(0)
        ),
        "you move digit a and leave digit b where it is, which averages the block that joins them "
        "away; both move together.": _first_digit_only,
        "this is the sum over the shifts; divide by p.": lambda M: _moved(M).sum(0),
        "one shift is missing: moving by 0 places, which leaves M as it is, counts too.": (
            lambda M: _moved(M)[1:].mean(0)
        ),
    },
    returns="a (2p, 2p) tensor",
    see='the section "Inside the loop"',
)
