"""Operations on the digits of a clock: what each means, and the symmetry of its table.

This is the only place that knows the operations by name. To add one, add a value to `OPERATIONS`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from rfm_tutorial.checks import check_integer
from rfm_tutorial.number_theory import check_prime, discrete_log_order, is_prime

MODULUS_MAX = 2**30
"""Up to here no polynomial overflows int64. No memory holds the table of a modulus so large."""


Clock = Callable[[int, int | None], Int[Tensor, " n"]]
"""(p, root) -> the digits in the order of their hours."""


@dataclass(frozen=True)
class Operation:
    """What a∘b mod p means, and how its digits lie on a clock, if they do.

    A clock is an order of the digits in which the operation adds hours, or subtracts them: then
    its table has a symmetry, the *move* that turns both digits by one hour. For sums the digits
    themselves are the hours; for products the powers of a primitive root g are, because
    gⁱ · gʲ = g^(i+j), and zero, which is no power of g, is on no hour. Operations without a clock
    have no move here, and what depends on moves refuses them.
    """

    name: str
    symbol: str
    apply: Callable[[Tensor, Tensor, int], Tensor]
    """Labels of int64 digits a and b in 0 … p − 1."""
    clock: Clock | None = None
    turn: int = 1
    """1 if the hours of the second digit are added, −1 if they are subtracted."""
    skips_zero: bool = False
    """Undefined where b = 0, and for every modulus that is not prime."""
    title: str = ""
    """In words, at the beginning of a sentence; the symbol if there are none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", self.title or self.symbol)

    def table(self, p: int) -> Int[Tensor, "p p"]:
        """The label of every cell (a, b), −1 where it has none.

        Examples
        --------
        >>> OPERATIONS["div"].table(3)
        tensor([[-1,  0,  0],
                [-1,  1,  2],
                [-1,  2,  1]])
        """
        self.check_table(p)
        digit = torch.arange(p, device="cpu")
        table = self.apply(digit[:, None], digit[None, :], p)
        if self.skips_zero:
            table[:, 0] = -1
        return table

    def order(self, p: int, root: int | None = None) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
        """Which digits stand in the rows, and which in the columns, of a block to be looked at.

        In this order learned features are circulant: by the hour, and for `turn` −1 with the
        columns backwards. Without a clock it is the natural order.

        Examples
        --------
        >>> OPERATIONS["sub"].order(3)
        (tensor([0, 1, 2]), tensor([2, 1, 0]))
        """
        if self.clock is None:
            digits = torch.arange(p, device="cpu")
        else:
            digits = self.clock(self.check_clock(p), root)
        return digits, digits if self.turn == 1 else digits.flip(0)

    def moves(self, p: int) -> Int[Tensor, "k d"]:
        """The moves as permutations of the 2p inputs e_a ⊕ e_b, for `structure.orbits`.

        Examples
        --------
        >>> OPERATIONS["add"].moves(3)
        tensor([[1, 2, 0, 4, 5, 3]])
        """
        inputs = torch.arange(2 * p, device="cpu")
        if self.clock is None:
            return inputs[None, :][:0]
        rows, columns = self.order(p)
        move = inputs.clone()
        move[rows], move[p + columns] = rows.roll(-1), p + columns.roll(-1)
        return move[None]

    def classes(self, p: int) -> Int[Tensor, "p p"]:
        """The class of every cell (a, b) for `structure.class_means`, −1 where a digit has no hour.

        Cells that the moves connect are in one class: its number is by how many hours the second
        digit is ahead of the first.

        Examples
        --------
        >>> OPERATIONS["add"].classes(3)
        tensor([[0, 1, 2],
                [2, 0, 1],
                [1, 2, 0]])
        """
        rows, columns = self.order(p)
        hour = torch.arange(len(rows), device="cpu")
        classes = torch.full((p, p), -1, dtype=torch.int64, device="cpu")
        classes[rows[:, None], columns] = (hour - hour[:, None]) % len(rows)
        return classes

    def check_table(self, p: int, name: str = "modulus") -> int:
        """A modulus for which the table exists."""
        p = check_integer(name, p, at_least=2, at_most=MODULUS_MAX)
        return check_prime(name, p, repr(self.name)) if self.skips_zero else p

    def n_cells(self, p: int) -> int:
        """How many cells of the table have a label."""
        return p * (p - self.skips_zero)

    def check_clock(self, p: int) -> int:
        """A modulus for which the clock exists."""
        p = check_integer("modulus", p, at_least=2)
        return check_prime("modulus", p, repr(self.name)) if self.needs_prime else p

    def has_clock(self, p: int) -> bool:
        """Whether there is a clock for this modulus."""
        return self.clock is not None and (is_prime(p) or not self.needs_prime)

    def n_hours(self, p: int) -> int:
        """How many digits are on the clock."""
        return p - self.needs_prime

    def modulus_of(self, n_hours: int) -> int:
        """The modulus whose clock has so many hours."""
        if not self.needs_prime:
            return n_hours
        name = f"the modulus, which is {n_hours} rows of block + 1,"
        return check_prime(name, n_hours + 1, repr(self.name))

    @property
    def needs_prime(self) -> bool:
        """Whether the clock goes by discrete logarithms: non-zero digits, prime moduli only."""
        return self.clock is discrete_log_order


def every_digit(p: int, root: int | None = None) -> Int[Tensor, " p"]:
    """The clock of sums: hour h is the digit h. It needs no root."""
    return torch.arange(p, device="cpu")


def _divide(a: Tensor, b: Tensor, p: int) -> Tensor:
    # Python's three-argument pow is exact; b ** (p - 2) overflows int64 from p = 19 on.
    inverse = torch.tensor([0] + [pow(digit, -1, p) for digit in range(1, p)], device=a.device)
    return a * inverse[b] % p


# Each factor of a polynomial is reduced first: no power overflows.
_ALL = (
    Operation("add", "a + b", lambda a, b, p: (a + b) % p, every_digit, title="Addition"),
    Operation("sub", "a − b", lambda a, b, p: (a - b) % p, every_digit, -1, title="Subtraction"),
    Operation(
        "mul", "a · b", lambda a, b, p: a * b % p, discrete_log_order, title="Multiplication"
    ),
    Operation("div", "a ÷ b", _divide, discrete_log_order, -1, True, title="Division"),
    Operation("x^2+y^2", "a² + b²", lambda a, b, p: (a * a + b * b) % p),
    Operation("x^2+xy+y^2", "a² + ab + b²", lambda a, b, p: (a * a + a * b + b * b) % p),
    Operation("x^3+xy", "a³ + ab", lambda a, b, p: (a * a % p * a + a * b) % p),
)
OPERATIONS: dict[str, Operation] = {operation.name: operation for operation in _ALL}
"""The operations by name. At half the table, RFM learns the first four. Of a polynomial it learns
no more than symmetries: x^2+y^2 on the test pairs that signs and a swap turn into training pairs
(98 % at p = 61), x^2+xy+y^2 on those that one swap does (half), x^3+xy on none."""

GROUP_OPERATIONS = tuple(name for name, operation in OPERATIONS.items() if operation.clock)
"""The operations with a clock: an order of digits that makes learned features circulant."""
