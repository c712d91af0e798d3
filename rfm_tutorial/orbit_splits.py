"""Splits made of whole diagonals of a table, for which `rfm_tutorial.orbit_rfm` has a machine.

On the clock of its operation every digit has an *hour*, and the label of a cell stands at the sum
of its two hours i + j. Cells of the same *difference* s = i − j form a diagonal: the orbit of one
cell under the move that turns both digits by one hour. For sums mod p the hours are the digits
themselves and s = a − b; for a − b the second digit counts backwards, hence s = a + b; for
products hours are discrete logarithms, and s is that of a ÷ b; for quotients that of a · b.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from rfm_tutorial.checks import (
    check_device,
    check_dtype,
    check_flag,
    check_fraction,
    check_integer,
    check_memory,
    check_tensor,
    in_short,
    seeded_generator,
    shown,
)
from rfm_tutorial.datasets import Split, encode_digits


@dataclass(frozen=True, eq=False)
class OrbitClock:
    """How digits lie on a clock of N hours.

    Parameters
    ----------
    modulus : p, of the digits 0 … p − 1
    digits : (N,) int64, the digit at each hour, of first digits and of labels
    turn : 1 if second digits are at the same hours, −1 if at the negative ones

    Examples
    --------
    >>> clock = OrbitClock(5, torch.tensor([1, 2, 4, 3]), turn=-1)
    >>> clock.cells(torch.tensor([0])).tolist()  # a · b = 1, from hour to hour
    [[[1, 1], [2, 3], [4, 4], [3, 2]]]
    >>> clock.hours(torch.tensor([[2, 3]]))
    tensor([[1, 1]])
    """

    modulus: int
    digits: Int[Tensor, " N"]
    turn: int

    def __repr__(self) -> str:
        return in_short("OrbitClock", vars(self))

    @property
    def n_hours(self) -> int:
        """N, which is also the number of differences."""
        return len(self.digits)

    @property
    def second_digits(self) -> Int[Tensor, " N"]:
        """The second digit at each hour, (N,) int64."""
        hours = torch.arange(self.n_hours, device=self.digits.device)
        return self.digits[self.turn * hours % self.n_hours]

    def cells(self, differences: Int[Tensor, " m"]) -> Int[Tensor, "m N 2"]:
        """The pairs (a, b) of some diagonals, by the hour of the first digit."""
        N, second = self.n_hours, self.second_digits
        hours = torch.arange(N, device=self.digits.device)
        firsts = self.digits.expand(len(differences), N)
        return torch.stack([firsts, second[(hours - differences[:, None]) % N]], 2)

    def labels(self, differences: Int[Tensor, " m"]) -> Int[Tensor, "m N"]:
        """The labels of `cells`."""
        hours = torch.arange(self.n_hours, device=self.digits.device)
        return self.digits[(2 * hours - differences[:, None]) % self.n_hours]

    def hours(self, pairs: Int[Tensor, "n 2"]) -> Int[Tensor, "n 2"]:
        """The hours of both digits of some cells.

        Raises
        ------
        ValueError
            If a digit is on no hour, as 0 is not for products.
        """
        N, device = self.n_hours, pairs.device
        hour = torch.full((self.modulus,), -1, dtype=torch.int64, device=device)
        hour[self.digits.to(device)] = torch.arange(N, device=device)
        found = hour[pairs]
        if not bool((found >= 0).all()):
            lost = pairs[(found < 0).any(1)][0].tolist()
            raise ValueError(
                f"pairs must have digits that are on the clock, got {tuple(lost)}: 0 is no power "
                f"of a primitive root, and on no diagonal"
            )
        return found * torch.tensor([1, self.turn], device=device) % N


def draw_differences(
    n_hours: int,
    train_fraction: float | None,
    n_orbits: int | None,
    symmetric: bool,
    seed: int,
) -> Int[Tensor, " m"]:
    """The differences of the training diagonals, for `ModularTask.split_orbits`, which says what
    the arguments are. They come in increasing order.

    Raises
    ------
    ValueError
        If an argument does not fit, or no diagonal would be left to train on or to test with.

    Examples
    --------
    >>> draw_differences(7, None, 2, True, seed=0)
    tensor([3, 4])
    """
    check_flag("symmetric", symmetric)
    # What is drawn: differences, or pairs s and −s. Those with s = −s are in no pair.
    size, units = (2, (n_hours - 1) // 2) if symmetric else (1, n_hours)
    largest = min(size * units, n_hours - 1)
    if n_orbits is None:
        share = check_fraction(0.5 if train_fraction is None else train_fraction)
        drawn = min(size * int(share * n_hours / size), largest)
        if drawn == 0:
            raise ValueError(
                f"train_fraction must leave at least one training diagonal, got {share!r} of "
                f"{n_hours} diagonals{' in mirror pairs' * symmetric}"
            )
    elif train_fraction is not None:
        raise ValueError(
            f"n_orbits must not be given beside train_fraction, got {shown(n_orbits)} and "
            f"{shown(train_fraction)}"
        )
    else:
        drawn = check_integer("n_orbits", n_orbits, at_least=1, at_most=largest)
        if drawn % size:
            raise ValueError(f"n_orbits must be even where symmetric=True, got {drawn}")
    order = torch.randperm(units, generator=seeded_generator(seed), device="cpu")
    chosen = order[: drawn // size]
    if symmetric:
        chosen = torch.cat([chosen + 1, n_hours - 1 - chosen])
    return chosen.sort().values


class OrbitSplit(Split):
    """A split whose training cells are whole diagonals of a table.

    It is a `Split` like any other, and every machine takes it as one. Its parts are made when they
    are asked for, and kept: `OrbitRFM` asks for none of them, and at p = 997 they are 16 GB. Rows
    are in the order of `differences`, and those of a diagonal in that of the first digit's hours.
    With `_replace` or sliced it is a plain `Split` or tuple.

    Parameters
    ----------
    clock : on which its digits lie
    differences : (m,) int64, those of the training diagonals, each once, at least one and not all
    dtype, device : of the parts

    Attributes
    ----------
    differences : (m,) int64
    test_differences : (N − m,) int64, the others, in increasing order
    clock, dtype, device

    Examples
    --------
    >>> from rfm_tutorial import ModularTask
    >>> split = ModularTask("add", 5).split_orbits(n_orbits=2, seed=0)
    >>> split
    OrbitSplit(2 of 5 diagonals, differences=[0, 4], torch.float64)
    >>> a, b = split.pairs_train.T
    >>> (a - b) % 5
    tensor([0, 0, 0, 0, 0, 4, 4, 4, 4, 4])
    >>> split.test_differences, split.X_test.shape
    (tensor([1, 2, 3]), torch.Size([15, 10]))
    """

    clock: OrbitClock
    differences: Int[Tensor, " m"]
    test_differences: Int[Tensor, " k"]
    dtype: torch.dtype
    device: torch.device

    def __new__(
        cls,
        clock: OrbitClock,
        differences: Int[Tensor, " m"],
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
    ) -> "OrbitSplit":
        self = tuple.__new__(cls)  # no part is made yet
        N = clock.n_hours
        check_tensor("differences", differences, whole=True)
        if differences.ndim != 1 or differences.dtype != torch.int64:
            raise ValueError(
                f"differences must be an int64 tensor of shape (m,), got {differences.dtype} of "
                f"shape {tuple(differences.shape)}"
            )
        known = differences.to("cpu", copy=True)
        inside = bool(((known >= 0) & (known < N)).all())
        if not inside or len(known.unique()) < len(known) or not 0 < len(known) < N:
            raise ValueError(
                f"differences must be different hours from 0 to {N - 1}, at least one and not all "
                f"of them, got {known.tolist()[:10]}{' …' * (len(known) > 10)}"
            )
        self.clock, self.differences = clock, known
        self.dtype, self.device = check_dtype(dtype), check_device(device)
        test = torch.ones(N, dtype=torch.bool, device="cpu")
        test[known] = False
        self.test_differences = test.nonzero()[:, 0]
        return self

    def __repr__(self) -> str:
        N, drawn = self.clock.n_hours, self.differences.tolist()
        some = f"{drawn[:10]}{' …' * (len(drawn) > 10)}"
        return f"OrbitSplit({len(drawn)} of {N} diagonals, differences={some}, {self.dtype})"

    # What a tuple would have in it.
    def __iter__(self):
        return (getattr(self, name) for name in self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __getitem__(self, index):  # pyright: ignore[reportIncompatibleMethodOverride]
        return tuple(iter(self))[index]

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __hash__(self) -> int:
        return id(self)

    def __reduce__(self):
        return OrbitSplit, (self.clock, self.differences, self.dtype, self.device)

    @classmethod
    def _make(cls, iterable) -> Split:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Split(*iterable)

    def _part(self, name: str) -> Tensor:
        """One of the eight parts of a split."""
        kind, _, which = name.partition("_")
        chosen = self.differences if which == "train" else self.test_differences
        if kind == "pairs":
            return self.clock.cells(chosen).flatten(0, 1).to(self.device)
        if kind == "y":
            return self.clock.labels(chosen).flatten().to(self.device)
        sizes = (self.clock.modulus,) * (2 if kind == "X" else 1)
        rows = len(chosen) * self.clock.n_hours
        check_memory(
            f"{name} with its {rows} rows of {sum(sizes)} in {self.dtype}",
            float(sum(sizes) * rows * self.dtype.itemsize),
            "OrbitRFM does without; for other machines take a smaller modulus",
        )
        digits = getattr(self, f"pairs_{which}" if kind == "X" else f"y_{which}")
        return encode_digits(digits.view(rows, -1), sizes, self.dtype)


def _made_when_asked_for(name: str) -> cached_property:
    part = cached_property(lambda split: split._part(name))
    part.__set_name__(OrbitSplit, name)
    return part


for _name in Split._fields:
    setattr(OrbitSplit, _name, _made_when_asked_for(_name))
