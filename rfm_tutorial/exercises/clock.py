"""Exercises of "Clock arithmetic as a learning problem"."""

import torch
from torch import Tensor

from rfm_tutorial.exercises.by_hand import ByHand
from rfm_tutorial.exercises.judging import Exercise
from rfm_tutorial.tasks import ModularTask


def _one_hot(pairs: Tensor, p: int) -> Tensor:
    """One row for each of the two digits of a pair: (n, 2, p)."""
    return torch.nn.functional.one_hot(pairs, p).double()


def _quotients(p: int) -> list[list[int]]:
    """Row a holds a ÷ b for b = 1, 2, … p − 1."""
    return [[a * pow(b, -1, p) % p for b in range(1, p)] for a in range(p)]


_ROWS, _COLUMNS = range(5), range(1, 5)

quotients = ByHand(
    right=_quotients(5),
    mistakes={
        "you swapped rows and columns: read row a first; these are the quotients b ÷ a.": (
            [[b * pow(a, -1, 5) % 5 if a else 0 for b in _COLUMNS] for a in _ROWS]
        ),
        "these are the products a · b; the quotient is the digit c with c · b = a.": (
            [[a * b % 5 for b in _COLUMNS] for a in _ROWS]
        ),
        "these are the differences a − b, on the clock; the quotient is the digit c with "
        "c · b = a.": [[(a - b) % 5 for b in _COLUMNS] for a in _ROWS],
        "this is division as at school, rounded down; on the clock no remainder is left over: "
        "3 ÷ 2 is 4, since 4 · 2 = 3 + 5.": [[a // b for b in _COLUMNS] for a in _ROWS],
        "this is division as at school; on the clock a quotient is a whole hour: 1 ÷ 2 is 3, since "
        "3 · 2 = 1 + 5.": [[a / b for b in _COLUMNS] for a in _ROWS],
    },
    returns="5 rows of 4 digits",
    names=("row {}", "place {}, counted from 0"),
    edges={"the row a = 0: which digit c has c · b = 0?": [(0, column) for column in range(4)]},
    see='the section "Four operations"',
)


encode = Exercise(
    reference=lambda pairs, p: _one_hot(pairs, p).flatten(1),
    cases={
        "three pairs with p = 5": lambda: (torch.tensor([[1, 2], [0, 4], [3, 1]]), 5),
        "a pair of equal digits": lambda: (torch.tensor([[3, 3]]), 5),
        "the first and the last digit": lambda: (torch.tensor([[0, 6], [6, 0]]), 7),
        "the smallest clock, p = 2": lambda: (torch.tensor([[1, 0], [1, 1]]), 2),
    },
    mistakes={
        "both digits are in the same p columns; the second one has p columns of its own, so that "
        "its one is in column p + b.": lambda pairs, p: _one_hot(pairs, p).sum(1),
        "both digits have their ones in the first p columns; the one of b belongs in column "
        "p + b.": lambda pairs, p: torch.nn.functional.pad(_one_hot(pairs, p).amax(1), (0, p)),
        "the halves are swapped: the first p columns belong to a, the others to b.": (
            lambda pairs, p: _one_hot(pairs.flip(1), p).flatten(1)
        ),
        "these are the digits as numbers; each digit needs a one-hot vector of its own.": (
            lambda pairs, p: pairs.double()
        ),
        "the two halves belong side by side in one row: (n, 2p), not (n, 2, p).": _one_hot,
    },
    returns="an (n, 2p) tensor, one row for each pair",
    see='the section "Symbols"',
)


def _blind_accuracy(y_train: Tensor, y_test: Tensor) -> float:
    return float((y_test == torch.bincount(y_train).argmax()).double().mean())


def _last_of_a_tie(y_train: Tensor, y_test: Tensor) -> float:
    counts = torch.bincount(y_train)
    return float((y_test == (counts == counts.max()).nonzero().max()).double().mean())


def _labels_of_products() -> tuple[Tensor, Tensor]:
    split = ModularTask("mul", 11).split(seed=0)
    return split.y_train, split.y_test


blind_guess = Exercise(
    reference=_blind_accuracy,
    cases={
        "eleven labels": lambda: (torch.tensor([2, 2, 2, 2, 0, 1]), torch.tensor([1, 1, 1, 2, 0])),
        "the labels of × mod 11": _labels_of_products,
        "a training label that the test part lacks": (
            lambda: (torch.tensor([3, 3, 0]), torch.tensor([0, 1, 2]))
        ),
        "a tie among the training labels": (
            lambda: (torch.tensor([2, 1, 1, 2, 0]), torch.tensor([2, 2, 1]))
        ),
    },
    mistakes={
        "of several most frequent training labels take the smallest.": _last_of_a_tie,
        "you chose the most frequent *test* label; those are hidden, and looking at them makes the "
        "number too high.": lambda y_train, y_test: _blind_accuracy(y_test, y_test),
        "this is the training accuracy; count the right answers among the test labels.": (
            lambda y_train, y_test: _blind_accuracy(y_train, y_train)
        ),
        "this is one over the number of labels, the accuracy of a random guess; a fixed answer has "
        "to be counted.": lambda y_train, y_test: 1 / len(torch.unique(y_train)),
        "this is the label that the learner answers; asked is how often it is right.": (
            lambda y_train, y_test: int(torch.bincount(y_train).argmax())
        ),
    },
    returns="a number between 0 and 1, the test accuracy",
    see='the section "Chance"',
)


def _inverses(p: int) -> Tensor:
    return torch.tensor([0] + [pow(digit, -1, p) for digit in range(1, p)])


def _divide(a: Tensor, b: Tensor, p: int) -> Tensor:
    return a * _inverses(p)[b] % p


divide = Exercise(
    reference=_divide,
    cases={
        "all quotients with p = 7": lambda: (*ModularTask("div", 7).pairs.T.contiguous(), 7),
        "all quotients with p = 97": lambda: (*ModularTask("div", 97).pairs.T.contiguous(), 97),
        "the smallest clock, p = 2": lambda: (*ModularTask("div", 2).pairs.T.contiguous(), 2),
    },
    mistakes={
        "this is division of ordinary numbers, rounded down; asked is the digit c with c · b = a "
        "on the clock.": lambda a, b, p: a // b,
        "the product a · b⁻¹ can be larger than p − 1: take the remainder.": (
            lambda a, b, p: a * _inverses(p)[b]
        ),
        "these are the inverses of b; a ÷ b is a times the inverse.": (
            lambda a, b, p: _inverses(p)[b]
        ),
        "right on a small clock, but b ** (p − 2) overflows int64 on a large one: use pow with "
        "three arguments, or pow(b, -1, p).": lambda a, b, p: a * (b ** (p - 2) % p) % p,
        "right on a small clock, but a * b ** (p − 2) overflows int64 on a large one: take the "
        "remainder after each product, "
        "which pow with three arguments does.": lambda a, b, p: a * b ** (p - 2) % p,
        "this is b ÷ a; asked is a ÷ b.": lambda a, b, p: _divide(b, a, p),
    },
    returns="a tensor of digits, one for each pair",
    see='the section "Four operations", and the folded block in "Break it"',
)


def _steps(row_0: Tensor, row_1: Tensor) -> Tensor:
    """All rows that can occur: row 0, and what repeating the step from row 0 to row 1 makes."""
    step = torch.empty_like(row_0)
    step[row_0] = row_1
    rows = [row_0]
    for _ in range(len(row_0) - 1):
        rows.append(step[rows[-1]])
    return torch.stack(rows)


def _complete(row_0: Tensor, row_1: Tensor, column_0: Tensor) -> Tensor:
    rows = _steps(row_0, row_1)
    which = torch.empty_like(row_0)
    which[rows[:, 0]] = torch.arange(len(rows))
    return rows[which[column_0]]


def _clock(p: int, seed: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """What is given of a table of sums, under new names if there is a seed."""
    digits = torch.arange(p)
    for_a = for_b = for_label = digits
    if seed is not None:
        generator = torch.Generator().manual_seed(seed)
        for_a, for_b, for_label = (torch.randperm(p, generator=generator) for _ in range(3))
    table = for_label[(for_a[:, None] + for_b) % p]
    return table[0].clone(), table[1].clone(), table[:, 0].clone()


complete = Exercise(
    reference=_complete,
    cases={
        "a renamed table with p = 7": lambda: _clock(7, seed=0),
        "the table of sums with p = 5 under its own names": lambda: _clock(5, seed=None),
        "the smallest table, p = 2": lambda: _clock(2, seed=0),
        "a renamed table with p = 61": lambda: _clock(61, seed=1),
    },
    mistakes={
        "you add hours, which is right for the table of sums only; here the labels have new "
        "names, and adding names means nothing. Find the replacement that leads from the first "
        "row to the second.": (
            lambda row_0, row_1, column_0: (row_0 + column_0[:, None] - row_0[0]) % len(row_0)
        ),
        "these are all the right rows, but in the order of the repeated step; the first column "
        "says which row comes where.": lambda row_0, row_1, column_0: _steps(row_0, row_1),
        "rows and columns are exchanged: result[0] has to be the first row.": (
            lambda row_0, row_1, column_0: _complete(row_0, row_1, column_0).T
        ),
    },
    returns="a (p, p) tensor, the whole table",
    see='the section "What a learner would have to know"',
)
