"""Exercises of "The symmetry trap"."""

from collections.abc import Callable

import torch
from torch import Tensor

from rfm_tutorial.exercises.by_hand import ByHand
from rfm_tutorial.exercises.judging import Exercise

votes = ByHand(
    right=[[2, 2, 0, 2, 2], [2, 2, 4, 2, 2]],
    mistakes={
        "you let the hidden cells vote, too; the diagonal is hidden, and only shown cells vote.": [
            [2, 2, 1, 2, 2],
            [3, 3, 4, 3, 3],
        ],
        "you counted the cells in row 1 only; those in column 1 share a digit with (1, 1), too.": [
            [1, 1, 0, 1, 1],
            [3, 3, 4, 3, 3],
        ],
        "the two rows have changed places: first come the cells that share a digit.": [
            [2, 2, 4, 2, 2],
            [2, 2, 0, 2, 2],
        ],
    },
    returns="2 rows of 5 numbers",
    names=("row {}", "the cells with label {}"),
    see='the section "Why the right answer comes last"',
)


def _hide(
    p: int, n: int, seed: int, wanted: Callable[[int, int, Tensor], bool], cut: bool = False
) -> Tensor:
    """Hide the diagonal, and drawn cells with their images, n of those that are `wanted`.

    With `cut`, cells that are not wanted take a place all the same.
    """
    hidden = torch.eye(p, dtype=torch.bool)
    order = torch.randperm(p * p, generator=torch.Generator().manual_seed(seed)).tolist()
    left = n
    for cell in order[:n] if cut else order:
        a, b = divmod(cell, p)
        if left == 0:
            break
        if wanted(a, b, hidden):
            hidden[a, b] = hidden[b, a] = True
            left -= 1
    return hidden


pairs = Exercise(
    reference=lambda p, n, seed: _hide(p, n, seed, lambda a, b, hidden: not hidden[a, b]),
    cases={
        "ten pairs of a table of 7": lambda: (7, 10, 0),
        "no pair at all": lambda: (5, 0, 0),
        "all pairs that there are": lambda: (5, 10, 1),
        "a table of 2": lambda: (2, 1, 3),
    },
    mistakes={
        "count what is hidden: on some tables there are fewer pairs than asked for.": (
            lambda p, n, seed: _hide(p, n, seed, lambda a, b, hidden: True, cut=True)
        ),
        "a cell of the diagonal takes the place of a pair no longer, but a pair can still be "
        "drawn twice, once from either side.": (
            lambda p, n, seed: _hide(p, n, seed, lambda a, b, hidden: a != b)
        ),
        "no pair is drawn twice any more, but a cell of the diagonal still takes the place of "
        "one.": (
            lambda p, n, seed: _hide(
                p, n, seed, lambda a, b, hidden: a == b or not bool(hidden[a, b])
            )
        ),
        "the number is right, but these are other pairs: a cell below the diagonal that is drawn "
        "stands for its pair as well.": (
            lambda p, n, seed: _hide(p, n, seed, lambda a, b, hidden: a < b)
        ),
    },
    returns="a (p, p) tensor of truth values",
    see='the section "By hand: which cells are shown"',
)
