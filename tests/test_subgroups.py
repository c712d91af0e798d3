"""Largest commutative subgroups against a search through all subgroups, and what partners are."""

import runpy
from itertools import combinations
from pathlib import Path

import pytest
import torch
from test_groups import GROUPS
from torch import Tensor

from rfm_tutorial.groups import Group
from rfm_tutorial.subgroups import commutative_subgroup, cosets

STORED = runpy.run_path(str(Path(__file__).resolve().parents[1] / "book/runs/groups.py"))["GROUPS"]
SMALL = {name: group for name, group in GROUPS.items() if group.order <= 24}


def generated(group: Group, *elements: int) -> frozenset[int]:
    """The subgroup that some elements generate."""
    inside = {group.identity, *elements}
    while True:
        products = {int(group.table[a, b]) for a in inside for b in inside}
        if products <= inside:
            return frozenset(inside)
        inside |= products


def commute(group: Group, elements: frozenset[int]) -> bool:
    return all(group.table[a, b] == group.table[b, a] for a, b in combinations(elements, 2))


@pytest.mark.parametrize("group", SMALL.values(), ids=SMALL)
def test_no_commutative_subgroup_is_larger(group: Group) -> None:
    found = frozenset(commutative_subgroup(group).tolist())
    assert generated(group, *found) == found
    assert commute(group, found)
    # Up to order 24, three elements generate any commutative subgroup but those of rank four.
    everything = range(group.order)
    tried = (
        generated(group, *few)
        for k in (1, 2, 3)
        for few in combinations(everything, min(k, group.order))
    )
    assert len(found) == max(len(one) for one in tried if commute(group, one))


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_each_pair_of_cosets_holds_the_table_of_the_subgroup(group: Group) -> None:
    inside = commutative_subgroup(group)
    k, m = len(inside), group.order // len(inside)
    cut = cosets(group)
    assert cut.rows.sort().values.tolist() == cut.columns.sort().values.tolist()
    assert cut.rows.unique().numel() == group.order
    place = {int(element): i for i, element in enumerate(inside)}
    own = torch.tensor([[place[int(group.table[a, b])] for b in inside] for a in inside])
    arranged = group.table[cut.rows[:, None], cut.columns]
    for part in arranged.reshape(m, k, m, k).transpose(1, 2).reshape(-1, k, k):
        # The same label where the subgroup has the same label, and nowhere else.
        labels = part[0][own.new_tensor([place_of(own, i) for i in range(k)])]
        assert torch.equal(part, labels[own])
    assert cut.classes.unique().numel() == m * m * k


def place_of(own: Tensor, label: int) -> int:
    """The column of a label in the first row."""
    return int((own[0] == label).nonzero())


def agreeing(table: Tensor, block: Tensor) -> int:
    """Pairs of cells (a, b), (a', b') with the same label and C[a, b'] = C[a', b]."""
    total = 0
    for label in range(len(table)):
        a, b = (table == label).nonzero().T
        crossed = block[a][:, b]
        total += int((crossed == crossed.T).sum())
    return total


@pytest.mark.parametrize("name", ["Z30", "S4", "D15", "Q8 × Z3", "He3", "F21", "S3 × S3", "A5"])
def test_partners_are_as_many_as_the_chapter_proves(name: str) -> None:
    group = STORED[name]()
    n, table = group.order, group.table
    n_classes = int(group.conjugacy_classes.max()) + 1
    for word in ("a^-1 b", "a b^-1"):
        assert agreeing(table, group.classes(word)) == n * n * n_classes
    assert agreeing(table, cosets(group).classes) == n * n * len(commutative_subgroup(group))


@pytest.mark.parametrize("name", ["Z24", "S4", "D15", "Q8 × Z3", "A4 × Z3", "A5"])
def test_all_pairs_agree_exactly_for_classes_of_the_commutative_quotient(name: str) -> None:
    group = STORED[name]()
    n, table, inverses = group.order, group.table, group.inverses
    commutators = table[table[inverses[:, None], inverses], table].unique()
    derived = sorted(generated(group, *commutators.tolist()))
    quotient = table[:, derived].amin(1)[group.classes("a^-1 b")]
    assert agreeing(table, quotient) == n**3
    # The finest block with this property: the smallest number in each chain of equal entries.
    cells = torch.arange(n * n).reshape(n, n)
    while True:
        # C[x, y] = C[xt, ty] for all t
        joined = torch.stack([cells[table[:, t]][:, table[t]] for t in range(n)]).amin(0)
        joined = torch.minimum(joined, cells)
        if torch.equal(joined, cells):
            break
        cells = joined
    assert cells.unique().numel() == quotient.unique().numel() == n // len(derived)
