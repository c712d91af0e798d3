"""Exercises of "Which tables can be learned?"."""

from collections.abc import Callable

import torch
from torch import Tensor

from rfm_tutorial.exercises.by_hand import ByHand
from rfm_tutorial.exercises.judging import Exercise
from rfm_tutorial.groups import cyclic, dihedral, quaternion

quarter = ByHand(
    right=[[0, 3, 2, 1], [1, 0, 3, 2], [2, 1, 0, 3], [3, 2, 1, 0]],
    mistakes={
        "you add the two numbers, as for two rotations; the first reflection turns the second "
        "rotation round, so it is subtracted.": [
            [0, 1, 2, 3],
            [1, 2, 3, 0],
            [2, 3, 0, 1],
            [3, 0, 1, 2],
        ],
        "these are j − i; with s·r^j = r^−j·s it is the second number that changes its sign.": [
            [0, 1, 2, 3],
            [3, 0, 1, 2],
            [2, 3, 0, 1],
            [1, 2, 3, 0],
        ],
    },
    returns="4 rows of 4 numbers",
    names=("row r^{} s", "column r^{} s"),
    see='the section "By hand: a group is a table"',
)


def _agreeing(
    table: Tensor,
    block: Tensor,
    count: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] | None = None,
) -> float:
    """Share of the pairs of cells, by default with the same label, for which two entries agree."""
    n = len(table)
    a, b = torch.arange(n).repeat_interleave(n), torch.arange(n).repeat(n)
    crossed = block[a][:, b]  # row: the cell of a; column: that of b'
    agree = crossed == crossed.T
    label = table.reshape(-1)
    same = label[:, None] == label
    return float((agree if count is None else count(agree, same, a, b))[same].double().mean())


def _others(agree: Tensor, same: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Agreement of a cell with itself does not count."""
    return agree & ~torch.eye(len(a), dtype=torch.bool)


agreeing_share = Exercise(
    reference=_agreeing,
    cases={
        "D5 and the classes of a⁻¹b": lambda: (dihedral(5).table, dihedral(5).classes("a^-1 b")),
        "the clock with 5 hours and the classes of a⁻¹b": (
            lambda: (cyclic(5).table, cyclic(5).classes("a^-1 b"))
        ),
        "Q8 and the classes of ab": lambda: (quaternion().table, quaternion().classes("ab")),
        "a block that is the same everywhere": (
            lambda: (dihedral(3).table, torch.zeros(6, 6, dtype=torch.int64))
        ),
        "a block in which all entries differ": (
            lambda: (cyclic(4).table, torch.arange(16).reshape(4, 4))
        ),
    },
    mistakes={
        "you compare C[a, b] with C[a', b'], the cells themselves; in the inner product stand "
        "C[a, b'] and C[a', b].": (
            lambda table, block: _agreeing(
                table,
                block,
                lambda agree, same, a, b: block.reshape(-1)[:, None] == block.reshape(-1),
            )
        ),
        "you count all pairs of cells; asked are those with the same label.": (
            lambda table, block: float(
                (block[:, None, None, :] == block.T[None, :, :, None]).double().mean()
            )
        ),
        "you leave out a cell with itself; it is a pair with the same label, too.": (
            lambda table, block: _agreeing(table, block, _others)
        ),
    },
    returns="a number between 0 and 1, the share of the pairs",
    see='the section "Why: two entries that must agree"',
)
