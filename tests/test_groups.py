"""Finite groups against sympy's, and what is answered to a table that is none."""

import itertools

import pytest
import torch
from sympy.combinatorics import Permutation, PermutationGroup
from sympy.combinatorics.named_groups import AlternatingGroup, DihedralGroup, SymmetricGroup
from torch import Tensor

from rfm_tutorial import RFM, GaussianKernel, ModularTask, class_deviation, plots
from rfm_tutorial.groups import (
    WORDS,
    Group,
    alternating,
    cyclic,
    dihedral,
    direct_product,
    permutations,
    quaternion,
    symmetric,
)

GROUPS = {
    "Z1": cyclic(1),
    "Z12": cyclic(12),
    "D1": dihedral(1),
    "D2": dihedral(2),
    "D7": dihedral(7),
    "Q8": quaternion(),
    "S1": symmetric(1),
    "S2": symmetric(2),
    "S4": symmetric(4),
    "A2": alternating(2),
    "A5": alternating(5),
    "F21": permutations([1, 2, 3, 4, 5, 6, 0], [0, 2, 4, 6, 1, 3, 5], title="F21"),
    "Z2 × S3": direct_product(cyclic(2), symmetric(3)),
    "Z2 × Z2 × Z3": direct_product(cyclic(2), cyclic(2), cyclic(3)),
}


def regular(table: Tensor) -> PermutationGroup:
    """What sympy makes of a table: element a moves b to a·b (Cayley's theorem)."""
    return PermutationGroup([Permutation(row) for row in table.tolist()])


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_the_axioms_hold_one_by_one(group: Group) -> None:
    table, e = group.table, group.identity
    for a, b, c in itertools.islice(itertools.product(range(group.order), repeat=3), 20_000):
        assert table[table[a, b], c] == table[a, table[b, c]]
    for a in range(group.order):
        assert table[a, e] == table[e, a] == a
        assert table[a, group.inverses[a]] == table[group.inverses[a], a] == e


@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS)
def test_sympy_finds_the_same_order_commutativity_and_conjugacy_classes(group: Group) -> None:
    oracle = regular(group.table)
    assert oracle.order() == group.order
    assert oracle.is_abelian is group.is_abelian
    sizes = sorted(len(one) for one in oracle.conjugacy_classes())
    assert sorted(group.conjugacy_classes.bincount().tolist()) == sizes


@pytest.mark.parametrize(
    ("group", "oracle"),
    [
        (symmetric(4), SymmetricGroup(4)),
        (alternating(5), AlternatingGroup(5)),
        (dihedral(7), DihedralGroup(7)),
        (permutations([1, 2, 3, 4, 0], [0, 2, 4, 1, 3]), PermutationGroup(
            Permutation([1, 2, 3, 4, 0]), Permutation([0, 2, 4, 1, 3])
        )),
    ],
    ids=["S4", "A5", "D7", "F20"],
)  # fmt: skip
def test_groups_are_those_of_sympy(group: Group, oracle: PermutationGroup) -> None:
    # As many elements of each order: enough to tell all groups of these orders apart.
    powers, orders = torch.arange(group.order), torch.zeros(group.order, dtype=torch.int64)
    for exponent in range(1, group.order + 1):
        orders[(powers == group.identity) & (orders == 0)] = exponent
        powers = group.table[powers, torch.arange(group.order)]
    assert sorted(orders.tolist()) == sorted(one.order() for one in oracle.elements)


def test_permutations_multiply_as_sympy_multiplies_them() -> None:
    group = symmetric(4)
    elements = [Permutation([int(digit) for digit in name]) for name in group.names]
    for (a, left), (b, right) in itertools.product(enumerate(elements), repeat=2):
        # sympy applies the left one first.
        assert elements[int(group.table[a, b])] == right * left


def test_a_rotation_and_a_reflection_are_what_their_names_say() -> None:
    group = dihedral(5)
    r, s = group.names.index("r"), group.names.index("s")
    assert group.names[group.table[r, s]] == "rs"
    assert group.names[group.table[s, r]] == "r^4 s"
    assert group.names[group.table[group.table[r, r], s]] == "r^2 s"


def test_the_units_of_the_quaternions() -> None:
    group = quaternion()

    def product(left: str, right: str) -> str:
        names = group.names
        return names[group.table[names.index(left), names.index(right)]]

    assert [product("i", "j"), product("j", "k"), product("k", "i")] == ["k", "i", "j"]
    assert [product(unit, unit) for unit in "ijk"] == ["−1"] * 3
    assert product("j", "i") == "−k"
    assert product("−1", "−1") == "1"


def test_a_product_of_coprime_clocks_is_a_clock() -> None:
    pairs = direct_product(cyclic(4), cyclic(9))
    # The Chinese remainders of hour h are the pair (h mod 4, h mod 9).
    hour = torch.arange(36)
    number = (hour % 4) * 9 + hour % 9
    assert torch.equal(pairs.table[number[:, None], number], number[cyclic(36).table])


@pytest.mark.parametrize("p", [2, 5, 12])
def test_the_clock_is_the_group_of_sums(p: int) -> None:
    task = ModularTask("add", p)
    assert torch.equal(cyclic(p).table, task.table)
    assert torch.equal(cyclic(p).task().labels, task.labels)


@pytest.mark.parametrize("group", [dihedral(4), cyclic(7)], ids=str)
@pytest.mark.parametrize("word", WORDS)
def test_classes_are_products_of_a_and_b(group: Group, word: str) -> None:
    table, inverses = group.table, group.inverses
    for a, b in itertools.product(range(group.order), repeat=2):
        expected = {
            "a^-1 b": table[inverses[a], b],
            "a b^-1": table[a, inverses[b]],
            "ab": table[a, b],
            "ba": table[b, a],
        }[word]
        assert group.classes(word)[a, b] == expected


def test_classes_may_be_changed_without_changing_the_group() -> None:
    group = cyclic(3)
    group.classes("ab").fill_(0)
    assert group.table[1, 1] == 2


def altered(table: Tensor, a: int, b: int, value: int) -> Tensor:
    table = table.clone()
    table[a, b] = value
    return table


# The smallest loop that is no group: an identity, inverses, every element once in each row and
# column, and yet no associativity (order 5).
LOOP = torch.tensor(
    [[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 4, 0, 1, 3], [3, 2, 4, 0, 1], [4, 3, 1, 2, 0]]
)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (altered(cyclic(4).table, 1, 2, 4), "not closed: 1·2 is 4, which is not in 0 … 3"),
        (altered(cyclic(4).table, 3, 0, -1), "not closed: 3·0 is -1"),
        (ModularTask("sub", 5).table, "no identity: for no e"),
        (altered(cyclic(3).table, 1, 2, 1), "no inverse: 1·b is never the identity 0"),
        (LOOP, r"not associative: \(1·1\)·2 = 2, but 1·\(1·2\) = 4"),
    ],
    ids=["too large", "a gap", "differences", "inverse", "a loop"],
)
def test_a_table_that_is_no_group_is_refused_with_the_place(table: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Group.from_table(table)


def test_every_changed_cell_is_found() -> None:
    table = dihedral(4).table
    for a, b, value in itertools.product(range(8), repeat=3):
        if table[a, b] != value:
            with pytest.raises(ValueError, match="that of a group"):
                Group.from_table(altered(table, a, b, value))


@pytest.mark.usefixtures("no_type_checks")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cyclic(0), "n must be an integer ≥ 1"),
        (lambda: symmetric(12), "a group of 479001600 elements would take"),
        (lambda: dihedral(2.5), "n must be an integer"),
        (lambda: permutations(), "generators must be permutations of the same 0 … k − 1"),
        (lambda: permutations([0, 2]), "generators must be permutations"),
        (lambda: permutations([1, 0], [0, 1, 2]), "generators must be permutations"),
        (lambda: direct_product(), "groups must be one Group or more"),
        (lambda: direct_product(cyclic(2), 3), "groups must be one Group or more"),
        (lambda: cyclic(3).classes("b a"), "word must be one of"),
        (lambda: Group(cyclic(2).table, names=["1", "1"]), "names must be 2 different ones"),
        (lambda: Group(cyclic(2).table, names="ab"), "names must be 2 different ones"),
        (lambda: Group(cyclic(2).table, names=["1"]), "names must be 2 different ones"),
    ],
)
def test_wrong_arguments_are_answered_in_words(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_group_is_drawn_like_the_clock() -> None:
    group = dihedral(3)
    task = group.task()
    ax = plots.table(task.pairs, task.labels, task.n_digits, title=group.title)
    assert "6 × 6 cells, D3: 36 cells (100%)" in plots.alt_text(ax.figure)


def test_an_abelian_group_groks_and_its_features_depend_on_the_quotient() -> None:
    group = direct_product(cyclic(3), cyclic(3), cyclic(3))
    split = group.task().split(0.7, seed=0)
    rfm = RFM(GaussianKernel(2.5), n_iterations=24).fit(
        split.X_train, split.Y_train, (split.X_test, split.Y_test), progress=False
    )
    accuracies = [record["test_accuracy"] for record in rfm.history_]
    assert accuracies[0] < 0.05
    assert accuracies[-1] > 0.95
    block = rfm.feature_matrix_[:27, 27:]
    deviations = {word: class_deviation(block, group.classes(word)) for word in WORDS}
    assert min(deviations, key=deviations.__getitem__) in {"a^-1 b", "a b^-1"}
    assert deviations["a^-1 b"] < 0.2
    assert deviations["ab"] > 0.9
