"""Exercises of "Circulant blocks, Hankel blocks, discrete logarithms"."""

import torch
from torch import Tensor

from rfm_tutorial.exercises.judging import Exercise
from rfm_tutorial.modular import ModularTask


def _census(pairs: Tensor, p: int) -> Tensor:
    return torch.bincount(pairs.sum(1) % p, minlength=p)


census = Exercise(
    reference=_census,
    cases={
        "40 % of the cells of p = 7": lambda: (_cells(7, 0.4), 7),
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
        "the counts come in the reverse order; "
        "the first one is that of a + b = 0 modulo p.": lambda pairs, p: _census(pairs, p).flip(0),
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


def _cells(p: int, fraction: float) -> Tensor:
    return ModularTask("add", p).split(fraction, seed=0).pairs_train


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
        "every digit to the power 0 is 1; "
        "the order is the smallest exponent from 1 on.": lambda g, n: 0,
        "the powers overflow 64 bits before the remainder is taken; take it after every "
        "multiplication, or use pow with three arguments.": _overflowing_order,
        "Fermat's exponent n - 1 gives 1 for a prime n, "
        "but a smaller one may do so, too.": lambda g, n: n - 1,
        "you count the different powers; where g and n have a common factor none of them but g^0 "
        "is 1, and the answer is None.": lambda g, n: len({pow(g, k, n) for k in range(n)}),
    },
    returns="an int, the order, or None if no power is 1",
    see='the section "A modulus that is not prime"',
)


def _powers_and_logarithms(p: int, root: int) -> tuple[Tensor, Tensor]:
    powers = torch.tensor([pow(root, k, p) for k in range(p - 1)])
    logarithms = torch.zeros(p, dtype=torch.int64)
    logarithms[powers] = torch.arange(p - 1)
    return powers, logarithms


def _times(p: int, root: int) -> Tensor:
    digits = torch.arange(p)
    return digits[:, None] * digits % p


def _times_with_a_logarithm_of_zero(p: int, root: int) -> Tensor:
    powers, logarithms = _powers_and_logarithms(p, root)
    return powers[(logarithms[:, None] + logarithms) % (p - 1)]


def _times_modulo_p(p: int, root: int) -> Tensor:
    powers, logarithms = _powers_and_logarithms(p, root)
    exponents = (logarithms[:, None] + logarithms) % p
    table = torch.cat([powers, powers[:1]])[exponents]
    table[0, :] = table[:, 0] = 0
    return table


def _divided(p: int, root: int) -> Tensor:
    powers, logarithms = _powers_and_logarithms(p, root)
    table = powers[(logarithms[:, None] - logarithms) % (p - 1)]
    table[0, :] = table[:, 0] = 0
    return table


def _added_logarithms(p: int, root: int) -> Tensor:
    _, logarithms = _powers_and_logarithms(p, root)
    table = (logarithms[:, None] + logarithms) % (p - 1)
    table[0, :] = table[:, 0] = 0
    return table


times = Exercise(
    reference=_times,
    cases={
        "p = 11 and its root 2": lambda: (11, 2),
        "another root of p = 11": lambda: (11, 7),
        "p = 2, where 1 is the only non-zero digit": lambda: (2, 1),
        "p = 61": lambda: (61, 2),
    },
    mistakes={
        "right, but for the products with a zero: zero has no logarithm, so its row and column "
        "must be set apart.": _times_with_a_logarithm_of_zero,
        "exponents count modulo p - 1, not modulo p: the power p - 1 is 1 again.": _times_modulo_p,
        "this is the table of a ÷ b: you subtract the logarithms instead of adding them.": _divided,
        "these are the logarithms of the products; "
        "look up which digits have them.": _added_logarithms,
    },
    returns="a (p, p) tensor, the table of products",
    see='the section "× is + in disguise"',
)


def _class_means(block: Tensor, classes: Tensor) -> Tensor:
    numbers, entries = classes.flatten(), block.flatten().double()
    sums = torch.bincount(numbers, weights=entries)
    return (sums / torch.bincount(numbers))[numbers].reshape(block.shape)


def _left_over(block: Tensor, classes: Tensor) -> float:
    rest = block.double() - _class_means(block, classes)
    return float(rest.square().sum() / block.double().square().sum())


def _noise(n: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, n, generator=generator, dtype=torch.float64) + 0.3


def _quadratic_classes(n: int) -> Tensor:
    digits = torch.arange(n)
    return (digits**2 - digits[:, None] ** 2) % n


def _stripes(n: int) -> Tensor:
    digits = torch.arange(n)
    return (digits - digits[:, None]) % n


def _relative_to_variance(block: Tensor, classes: Tensor) -> float:
    rest = block.double() - _class_means(block, classes)
    return float(rest.square().sum() / (block - block.mean()).square().sum())


classes = Exercise(
    reference=_left_over,
    cases={
        "noise, with the classes of b² − a²": lambda: (_noise(7), _quadratic_classes(7)),
        "a circulant block and its stripes": lambda: (_stripes(5).double(), _stripes(5)),
        "class numbers with gaps between them": lambda: (_noise(6), 10 * _stripes(6) + 3),
        "a class for every entry": lambda: (_noise(4), torch.arange(16).reshape(4, 4)),
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
            lambda block, classes: float((block - _class_means(block, classes)).square().mean())
        ),
        "you divide by the energy around the mean; the deviation divides by the energy of the "
        "block as it is.": _relative_to_variance,
        "this is the ratio of the norms; the energy is the norm squared.": (
            lambda block, classes: float(
                (block - _class_means(block, classes)).norm() / block.norm()
            )
        ),
    },
    returns="a number, the share of the energy that is left over",
    see='the function `deviation` in "By hand: two kinds of stripes"',
)
