"""Exercises of "Circulant blocks, Hankel blocks, discrete logarithms"."""

import torch
from torch import Tensor

from rfm_tutorial.exercises.judging import Exercise, normal
from rfm_tutorial.tasks import ModularTask


def _census(pairs: Tensor, p: int) -> Tensor:
    return torch.bincount(pairs.sum(1) % p, minlength=p)


census = Exercise(
    reference=_census,
    cases={
        "40 % of the cells of p = 7": lambda: (ModularTask("add", 7).split(0.4).pairs_train, 7),
        "two cells, the last stripes empty": lambda: (torch.tensor([[1, 2], [6, 4]]), 7),
        "no cells at all": lambda: (torch.zeros(0, 2, dtype=torch.int64), 5),
    },
    mistakes={
        "this counts by b - a, the stripes of +; those of − are the lines of equal a + b.": (
            lambda pairs, p: torch.bincount((pairs[:, 1] - pairs[:, 0]) % p, minlength=p)
        ),
        "these are shares; asked is the number of cells.": (
            lambda pairs, p: _census(pairs, p) / max(len(pairs), 1)
        ),
        "the counts come in the reverse order; the first one is that of a + b = 0 modulo p.": (
            lambda pairs, p: _census(pairs, p).flip(0)
        ),
        "the modulus is missing: a + b and a + b - p are on the same stripe.": (
            lambda pairs, p: torch.bincount(pairs.sum(1), minlength=p)[:p]
        ),
        "empty stripes at the end are missing; give torch.bincount a minlength.": (
            lambda pairs, p: torch.bincount(pairs.sum(1) % p)
        ),
    },
    returns="a tensor with one count for each of the p stripes",
    see='the function `census` in "Why this direction? A predictor that knows the rule"',
)


def _order(g: int, n: int) -> int | None:
    power = 1
    for k in range(1, n + 1):
        power = power * g % n
        if power == 1:
            return k
    return None


def _overflowing_order(g: int, n: int) -> int | None:
    powers = torch.tensor(g) ** torch.arange(n + 1) % n
    return next((k for k in range(1, n + 1) if powers[k] == 1), None)


order = Exercise(
    reference=_order,
    cases={
        "10 modulo 61": lambda: (10, 61),
        "9 modulo 61, no primitive root": lambda: (9, 61),
        "1, whose first power is 1": lambda: (1, 61),
        "a modulus that is not prime": lambda: (7, 60),
        "a digit that shares a factor with the modulus": lambda: (6, 60),
        "a modulus of five digits": lambda: (5, 10007),
    },
    mistakes={
        "every digit to the power 0 is 1; the order is the smallest exponent from 1 on.": (
            lambda g, n: 0
        ),
        "the powers overflow 64 bits before the remainder is taken; take it after every "
        "multiplication, or use pow with three arguments.": _overflowing_order,
        "Fermat's exponent n - 1 gives 1 for a prime n, but a smaller one may do so, too.": (
            lambda g, n: n - 1
        ),
        "you count the different powers; where g and n have a common factor none of them but g^0 "
        "is 1, and the answer is None.": lambda g, n: len({pow(g, k, n) for k in range(n)}),
    },
    returns="an int, the order, or None if no power is 1",
    see='the section "A modulus that is not prime"',
)


def _powers(p: int, root: int) -> Tensor:
    return torch.tensor([pow(root, k, p) for k in range(p)])


def _exponents(p: int, root: int, sign: int = 1) -> Tensor:
    """The logarithms of a and of b, added or subtracted, for all cells; that of 0 counts as 0."""
    logarithms = torch.zeros(p, dtype=torch.int64)
    logarithms[_powers(p, root)[:-1]] = torch.arange(p - 1)
    return logarithms[:, None] + sign * logarithms


def _without_zero(table: Tensor) -> Tensor:
    table[0, :] = table[:, 0] = 0
    return table


times = Exercise(
    reference=lambda p, root: torch.arange(p)[:, None] * torch.arange(p) % p,
    cases={
        "p = 11 and its root 2": lambda: (11, 2),
        "another root of p = 11": lambda: (11, 7),
        "p = 2, where 1 is the only non-zero digit": lambda: (2, 1),
        "p = 61": lambda: (61, 2),
    },
    mistakes={
        "right, but for the products with a zero: zero has no logarithm, so its row and column "
        "must be set apart.": lambda p, root: _powers(p, root)[_exponents(p, root) % (p - 1)],
        "exponents count modulo p - 1, not modulo p: the power p - 1 is 1 again.": (
            lambda p, root: _without_zero(_powers(p, root)[_exponents(p, root) % p])
        ),
        "this is the table of a ÷ b: you subtract the logarithms instead of adding them.": (
            lambda p, root: _without_zero(_powers(p, root)[_exponents(p, root, -1) % (p - 1)])
        ),
        "these are the logarithms of the products; look up which digits have them.": (
            lambda p, root: _without_zero(_exponents(p, root) % (p - 1))
        ),
    },
    returns="a (p, p) tensor, the table of products",
    see='the section "× is + in disguise"',
)


def _rest(block: Tensor, classes: Tensor) -> Tensor:
    """What is left of a block after the means over its classes are taken away."""
    numbers, entries = classes.flatten(), block.flatten()
    means = torch.bincount(numbers, weights=entries) / torch.bincount(numbers)
    return block - means[numbers].reshape(block.shape)


def _left_over(block: Tensor, classes: Tensor) -> float:
    return float(_rest(block, classes).square().sum() / block.square().sum())


def _stripes(n: int) -> Tensor:
    return (torch.arange(n) - torch.arange(n)[:, None]) % n


classes = Exercise(
    reference=_left_over,
    cases={
        "noise, with the classes of b² − a²": (
            lambda: (normal(7, 7) + 0.3, (torch.arange(7) ** 2 - torch.arange(7)[:, None] ** 2) % 7)
        ),
        "a circulant block and its stripes": lambda: (_stripes(5).double(), _stripes(5)),
        "class numbers with gaps between them": lambda: (normal(6, 6) + 0.3, 10 * _stripes(6) + 3),
        "a class for every entry": lambda: (normal(4, 4) + 0.3, torch.arange(16).reshape(4, 4)),
    },
    mistakes={
        "this is the share that the means explain; asked is what they leave over.": (
            lambda block, classes: 1 - _left_over(block, classes)
        ),
        "this is the circulant deviation, whatever the classes are; take the means over the cells "
        "with the same class number.": (
            lambda block, classes: _left_over(block, _stripes(len(block)))
        ),
        "this is the mean square of the rest; divide its sum by the energy of the block.": (
            lambda block, classes: float(_rest(block, classes).square().mean())
        ),
        "you divide by the energy around the mean; the deviation divides by the energy of the "
        "block as it is.": (
            lambda block, classes: float(
                _rest(block, classes).square().sum() / (block - block.mean()).square().sum()
            )
        ),
        "this is the ratio of the norms; the energy is the norm squared.": (
            lambda block, classes: float(_rest(block, classes).norm() / block.norm())
        ),
    },
    returns="a number, the share of the energy that is left over",
    see='the function `deviation` in "By hand: two kinds of stripes"',
)
