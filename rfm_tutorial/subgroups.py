"""The clocks inside a group: a largest commutative subgroup, and the table cut by its cosets."""

from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from rfm_tutorial.groups import Group


class Cosets(NamedTuple):
    """A table, cut into clocks. Where a is in x·A and b in A·y, a·b is x·(α·β)·y.

    α and β are from a commutative subgroup A, so each pair of cosets holds the table of A, with
    labels of its own.
    """

    rows: Int[Tensor, " n"]
    """All elements, one left coset x·A after the other, each in the order of A."""
    columns: Int[Tensor, " n"]
    """The same with right cosets A·y."""
    classes: Int[Tensor, "n n"]
    """The class of the cell (a, b): its two cosets and α⁻¹·β, as one number."""


def commutative_subgroup(group: Group) -> Int[Tensor, " k"]:
    """The elements of a largest commutative subgroup, (k,) int64, from small to large.

    The search goes through the centralisers of ever more elements: what commutes with all of them.
    If that is commutative, there is no larger commutative subgroup with these elements.

    Examples
    --------
    >>> from rfm_tutorial.groups import dihedral, symmetric
    >>> commutative_subgroup(dihedral(5)), len(commutative_subgroup(symmetric(4)))
    (tensor([0, 1, 2, 3, 4]), 4)
    """
    commute = group.table == group.table.T
    everything = torch.arange(group.order, device="cpu")
    found, waiting, seen = everything[:0], [everything], set[tuple[int, ...]]()
    while waiting:
        inside = waiting.pop()
        if len(inside) <= len(found) or (key := tuple(inside.tolist())) in seen:
            continue
        seen.add(key)
        central = commute[inside][:, inside].all(1)
        if bool(central.all()):
            found = inside
        waiting += [inside[commute[a, inside]] for a in inside[~central]]
    return found


def cosets(group: Group) -> Cosets:
    """The table of a group, cut into clocks by the cosets of its `commutative_subgroup`.

    Examples
    --------
    >>> from rfm_tutorial.groups import dihedral
    >>> cosets(dihedral(3)).classes
    tensor([[ 0,  1,  2,  3,  4,  5],
            [ 2,  0,  1,  5,  3,  4],
            [ 1,  2,  0,  4,  5,  3],
            [ 6,  7,  8,  9, 10, 11],
            [ 7,  8,  6, 10, 11,  9],
            [ 8,  6,  7, 11,  9, 10]])
    """
    inside = commutative_subgroup(group)
    k, m = len(inside), group.order // len(inside)
    number = torch.arange(group.order, device="cpu")
    # Row x is x·A, or A·x; of each coset the row of its least element is taken.
    left, right = group.table[:, inside], group.table[inside].T
    rows, columns = (of[of.amin(1) == number].reshape(-1) for of in (left, right))
    place = torch.empty_like(number)
    place[inside] = number[:k]
    within = place[group.table[group.inverses[inside]][:, inside]]
    pair = torch.arange(m * m, device="cpu").reshape(m, 1, m, 1)
    classes = torch.empty_like(group.table)
    blocks = (k * pair + within[:, None]).reshape(group.order, group.order)
    classes[rows[:, None], columns] = blocks
    return Cosets(rows, columns, classes)
