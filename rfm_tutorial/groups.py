"""Finite groups as tables: any group is a task, with what its feature matrices are measured by.

A group of order n has elements 0 … n − 1, and its table says what a·b is. Elements of the groups
made here have names, so that a picture can be read. The clock is a group, too: `cyclic(p)` has the
table of a + b mod p, and its classes a⁻¹b are the diagonals b − a.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import torch
from jaxtyping import Int
from torch import Tensor

from rfm_tutorial.checks import check_choice, check_integer, check_memory, shown
from rfm_tutorial.tasks import Task, checked_table

WORDS = ("a^-1 b", "a b^-1", "ab", "ba")
"""By what the cells (a, b) of a feature matrix may be put into classes."""


@dataclass(frozen=True, eq=False, repr=False)
class Group:
    """A finite group, by its table. `Group.from_table` makes one of any table and checks it.

    Parameters
    ----------
    table : (n, n) int64, the number of the element a·b
    names : one for each element, for pictures; "0", "1", … if none are given
    title : what the group is called, such as "D5"

    Raises
    ------
    ValueError
        If an axiom fails; the error says which one, and for which elements.

    Examples
    --------
    >>> group = dihedral(3)
    >>> group, group.is_abelian, group.names
    (Group(D3, order 6), False, ('1', 'r', 'r^2', 's', 'rs', 'r^2 s'))
    >>> group.task().split(0.7).X_train.shape
    torch.Size([25, 12])
    """

    table: Int[Tensor, "n n"]
    names: Sequence[str] = ()
    title: str = "a group"

    def __post_init__(self) -> None:
        table = checked_table(self.table)
        names = self.names or [str(element) for element in range(len(table))]
        different = {*map(str, names)}
        if isinstance(names, str) or not len(names) == len(different) == len(table):
            raise ValueError(
                f"names must be {len(table)} different ones, one for each element, "
                f"got {shown(names)}"
            )
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "names", tuple(map(str, names)))
        check_axioms(table)

    @staticmethod
    def from_table(
        table: Int[Tensor, "n n"], names: Sequence[str] = (), title: str = "a group"
    ) -> "Group":
        """The group of any table that is one. Parameters and errors are those of the class.

        Examples
        --------
        >>> Group.from_table(torch.tensor([[1, 0], [0, 1]]), names=["odd", "even"])
        Group(a group, order 2)
        """
        return Group(table, names, title)

    def __repr__(self) -> str:
        return f"Group({self.title}, order {self.order})"

    @property
    def order(self) -> int:
        """How many elements there are."""
        return len(self.table)

    @cached_property
    def identity(self) -> int:
        """The element e with e·a = a·e = a."""
        return int((self.table.diagonal() == self._elements).nonzero())

    @cached_property
    def inverses(self) -> Int[Tensor, " n"]:
        """The inverse of each element, (n,) int64."""
        return (self.table == self.identity).nonzero()[:, 1]

    @cached_property
    def is_abelian(self) -> bool:
        """Whether a·b = b·a for all elements."""
        return torch.equal(self.table, self.table.T)

    @cached_property
    def conjugacy_classes(self) -> Int[Tensor, " n"]:
        """The number of each element's conjugacy class, (n,) int64: that of g·a·g⁻¹ for all g.

        Numbers go up in the order in which the classes first occur.

        Examples
        --------
        >>> symmetric(3).conjugacy_classes
        tensor([0, 1, 1, 2, 2, 1])
        """
        conjugates = self.table[self.table, self.inverses[:, None]]  # row g: g·a·g⁻¹
        return conjugates.amin(0).unique(return_inverse=True)[1]

    def task(self) -> Task:
        """The table as a task: predict a·b from the pair (a, b).

        Examples
        --------
        >>> quaternion().task()
        Task(8 digits, 8 classes, 64 pairs)
        """
        return Task.from_table(self.table)

    def classes(self, word: str = "a^-1 b") -> Int[Tensor, "n n"]:
        """The class of every cell (a, b), for `class_means` and `class_deviation` of a block.

        Parameters
        ----------
        word : "a^-1 b", "a b^-1", "ab" or "ba": the element whose number is the class

        Examples
        --------
        >>> cyclic(3).classes("a^-1 b")
        tensor([[0, 1, 2],
                [2, 0, 1],
                [1, 2, 0]])
        """
        check_choice("word", word, WORDS)
        words = {
            "a^-1 b": lambda: self.table[self.inverses],
            "a b^-1": lambda: self.table[:, self.inverses],
            "ab": lambda: self.table,
            "ba": lambda: self.table.T,
        }
        return words[word]().clone()

    @property
    def _elements(self) -> Tensor:
        return torch.arange(self.order, device="cpu")


def cyclic(n: int) -> Group:
    """The clock with n hours: element a is the hour a, and a·b is a + b mod n.

    Examples
    --------
    >>> cyclic(3).table
    tensor([[0, 1, 2],
            [1, 2, 0],
            [2, 0, 1]])
    """
    hour = _numbers(n, n)
    return Group((hour[:, None] + hour) % n, title=f"Z{n}")


def dihedral(n: int) -> Group:
    """The symmetries of a regular polygon with n corners: n rotations rᵏ, n reflections rᵏs.

    Its order is 2n. Element k is rᵏ, element n + k is rᵏs, and s·r = r⁻¹·s.

    Examples
    --------
    >>> dihedral(4).order, dihedral(2).is_abelian, dihedral(3).is_abelian
    (8, True, False)
    """
    number = _numbers(n, 2 * n)
    turn, flip = number % n, number // n
    turns = turn[:, None] + (1 - 2 * flip[:, None]) * turn
    rotations = [*("1", "r", *(f"r^{k}" for k in range(2, n)))[:n]]
    names = [*rotations, *("s", "rs", *(f"r^{k} s" for k in range(2, n)))[:n]]
    return Group(turns % n + n * (flip[:, None] ^ flip), names, f"D{n}")


def quaternion() -> Group:
    """The eight quaternions ±1, ±i, ±j, ±k.

    Examples
    --------
    >>> group = quaternion()
    >>> i, j = group.names.index("i"), group.names.index("j")
    >>> group.names[group.table[i, j]], group.names[group.table[j, i]]
    ('k', '−k')
    """
    # Where the product of two units, u ^ v in this numbering, has a minus: i·i, i·k, j·i, …
    minus = torch.tensor([[0, 0, 0, 0], [0, 1, 0, 1], [0, 1, 1, 0], [0, 0, 1, 1]], device="cpu")
    number = torch.arange(8, device="cpu")
    unit, sign = number // 2, number % 2
    signs = sign[:, None] ^ sign ^ minus[unit[:, None], unit]
    names = [minus + name for name in "1ijk" for minus in ("", "−")]
    return Group(2 * (unit[:, None] ^ unit) + signs, names, "Q8")


def symmetric(n: int) -> Group:
    """All permutations of n things, as `permutations` numbers them.

    Examples
    --------
    >>> symmetric(3).names
    ('012', '021', '102', '120', '201', '210')
    """
    _check_order(math.factorial(check_integer("n", n, at_least=1, at_most=100)))
    swap, turn = [*range(1, n)[:1], 0, *range(2, n)], [*range(1, n), 0]
    return permutations(swap, turn, title=f"S{n}")


def alternating(n: int) -> Group:
    """All even permutations of n things, as `permutations` numbers them.

    Examples
    --------
    >>> alternating(4).order
    12
    """
    _check_order(math.factorial(check_integer("n", n, at_least=1, at_most=100)))
    three = [[1, k, *range(2, k), 0, *range(k + 1, n)] for k in range(2, n)]
    return permutations(range(n), *three, title=f"A{n}")


FAMILIES = {"Z": cyclic, "D": dihedral, "S": symmetric, "A": alternating}
"""By the letter of their titles."""


def permutations(*generators: Sequence[int], title: str = "a permutation group") -> Group:
    """The group that some permutations generate.

    Elements are numbered in the order of the dictionary, so that 0 is the identity; the product
    a·b takes i to a[b[i]]: first b, then a.

    Parameters
    ----------
    generators : permutations of 0 … k − 1, each as the list of what 0, 1, … go to

    Examples
    --------
    The turns and stretches x → s·x + t of a clock with five hours, s in {1, 2, 3, 4}.

    >>> permutations([1, 2, 3, 4, 0], [0, 2, 4, 1, 3], title="F20")
    Group(F20, order 20)
    """
    given = [tuple(map(int, generator)) for generator in generators]
    if not given or any(sorted(one) != [*range(len(given[0]))] for one in given):
        raise ValueError(
            f"generators must be permutations of the same 0 … k − 1, got {shown(generators)}"
        )
    one = tuple(range(len(given[0])))
    # Each element but the first is a generator times one that was found before it.
    found: dict[tuple[int, ...], tuple[int, tuple[int, ...]]] = {one: (0, one)}
    queue = [one]
    for element in queue:
        for g, generator in enumerate(given):
            product = tuple(generator[i] for i in element)
            if product not in found:
                found[product] = g, element
                queue.append(product)
        _check_order(len(queue))
    elements = sorted(found)
    number = {element: place for place, element in enumerate(elements)}
    # A row of the table is that of an element found before, after the move of a generator.
    moves = torch.tensor(
        [[number[tuple(g[i] for i in element)] for element in elements] for g in given],
        device="cpu",
    )
    table = torch.empty(len(elements), len(elements), dtype=torch.int64, device="cpu")
    table[0] = torch.arange(len(elements), device="cpu")
    for element in queue[1:]:
        g, before = found[element]
        table[number[element]] = moves[g][table[number[before]]]
    separator = "" if len(given[0]) <= 10 else " "
    names = [separator.join(map(str, element)) for element in elements]
    return Group(table, names, title)


def direct_product(*groups: Group) -> Group:
    """Pairs, triples, … of elements, multiplied part by part.

    Examples
    --------
    >>> group = direct_product(cyclic(2), cyclic(3))
    >>> group, group.names, group.is_abelian
    (Group(Z2 × Z3, order 6), ('0,0', '0,1', '0,2', '1,0', '1,1', '1,2'), True)
    """
    if not groups or not all(isinstance(group, Group) for group in groups):
        raise ValueError(f"groups must be one Group or more, got {shown(groups)}")
    _check_order(math.prod(group.order for group in groups))

    def product(left: Tensor, right: Tensor) -> Tensor:
        both = left[:, None, :, None] * len(right) + right[None, :, None, :]
        return both.reshape(len(left) * len(right), -1)

    names = [",".join(parts) for parts in itertools.product(*(group.names for group in groups))]
    title = " × ".join(group.title for group in groups)
    return Group(reduce(product, (group.table for group in groups)), names, title)


def named_group(title: str) -> Group:
    """The group of a title: Z, D, S or A and a number, Q8, or a product of such with × or x.

    Raises
    ------
    KeyError
        If the title is not of that form.

    Examples
    --------
    >>> named_group("D5"), named_group("Z2xQ8")
    (Group(D5, order 10), Group(Z2 × Q8, order 16))
    """
    factors = [factor.strip() for factor in title.replace("x", "×").split("×")]
    made = [_named_factor(factor) for factor in factors]
    return made[0] if len(made) == 1 else direct_product(*made)


def _named_factor(title: str) -> Group:
    if title == "Q8":
        return quaternion()
    if title[:1] not in FAMILIES or not (title[1:].isascii() and title[1:].isdigit()):
        raise KeyError(title)
    return FAMILIES[title[0]](int(title[1:]))


def check_axioms(table: Int[Tensor, "n n"]) -> None:
    """Raise a `ValueError` that says which axiom of a group fails, and where.

    Associativity is checked as F. W. Light has it: if (a·g)·b = a·(g·b) for all a and b holds for
    two elements g, it holds for their product; so those that generate the rest are enough.
    """
    elements = torch.arange(len(table), device="cpu")
    wrong = ((table < 0) | (table >= len(table))).nonzero()
    if len(wrong):
        a, b = wrong[0].tolist()
        _refuse(f"not closed: {a}·{b} is {int(table[a, b])}, which is not in 0 … {len(table) - 1}")
    neutral = ((table == elements).all(1) & (elements == table.T).all(1)).nonzero()
    if not len(neutral):
        _refuse("no identity: for no e is e·a = a·e = a for all a")
    identity = int(neutral)
    for side, of in (("{}·b", table), ("b·{}", table.T)):
        without = (of != identity).all(1).nonzero()
        if len(without):
            _refuse(f"no inverse: {side.format(int(without[0]))} is never the identity {identity}")
    reached, generators = elements == identity, list[int]()
    while not bool(reached.all()):
        g = int((~reached).nonzero()[0])
        unequal = (table[table[:, g]] != table[:, table[g]]).nonzero()
        if len(unequal):
            a, b = unequal[0].tolist()
            left, right = int(table[table[a, g], b]), int(table[a, table[g, b]])
            _refuse(f"not associative: ({a}·{g})·{b} = {left}, but {a}·({g}·{b}) = {right}")
        generators.append(g)
        count = 0
        while count < int(reached.sum()):
            count = int(reached.sum())
            reached[table[reached][:, generators].reshape(-1)] = True


def _refuse(why: str) -> None:
    raise ValueError(f"table must be that of a group; {why}")


def _numbers(n: int, order: int) -> Tensor:
    check_integer("n", n, at_least=1)
    _check_order(order)
    return torch.arange(order, device="cpu")


def _check_order(order: int) -> None:
    # The table, and a few of its size on the way.
    check_memory(f"the table of a group of {order} elements", 40.0 * order**2, "take a smaller one")
