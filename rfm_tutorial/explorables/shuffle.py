"""Discrete-log shuffle: put digits in another order, and a block without order is circulant."""

from typing import cast

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from rfm_tutorial.checks import check_choice, check_integer, check_square
from rfm_tutorial.circulant import circulant_deviation, restore_block
from rfm_tutorial.explorables.base import Explorable, script, style
from rfm_tutorial.explorables.grok import HELD, LEVELS, packed_runs
from rfm_tutorial.number_theory import check_prime, discrete_log_order, primitive_root
from rfm_tutorial.operations import OPERATIONS

NAMES = {name: OPERATIONS[name].title for name in HELD if OPERATIONS[name].needs_prime}
"""Those of the packed runs whose clock goes by discrete logarithms."""


class DiscreteLogShuffle(Explorable):
    """Rows and columns of a block move from natural order to the order of the discrete logarithm.

    With k digits placed, the order is g⁰, g¹, … g^(k−1), then the others from the smallest to the
    largest; 0, which has no logarithm, is left out. Columns of a division are in that order from
    last to first. The circulant deviation of the block is computed at every k.

    Parameters
    ----------
    block : couples digit a with digit b, both in natural order, (p, p), p an odd prime; of the
        last step of the run in `WatchItGrok` if None
    operation : "mul" or "div"
    root : the primitive root g to start with; the smallest one if None
    placed : k, from 0 to p − 1

    Raises
    ------
    ValueError
        If block is not a finite square float matrix with a prime number of rows, or another
        argument is out of its range.

    Examples
    --------
    >>> DiscreteLogShuffle(placed=60)
    Multiplication mod 61 with the primitive root 2: 60 of 60 digits are in the order of their \
discrete logarithm. The order begins 1, 2, 4, 8, 16, 32, 3, 6 and so on. Circulant deviation 0.012.
    """

    _esm, _css = script("shuffle", NAMES=NAMES), style()

    operation = traitlets.Enum(tuple(NAMES), "mul").tag(sync=True)
    root = traitlets.Int(2).tag(sync=True)
    placed = traitlets.Int(0, min=0).tag(sync=True)
    roots = traitlets.List(traitlets.Int()).tag(sync=True)
    """All primitive roots of p."""
    modulus = traitlets.Int().tag(sync=True)
    entries = traitlets.Bytes().tag(sync=True)
    """For the script: the block of the digits 1 … p − 1 as float32, row by row."""

    def __init__(
        self,
        block: Float[Tensor, "p p"] | None = None,
        operation: str = "mul",
        root: int | None = None,
        placed: int = 0,
    ) -> None:
        check_choice("operation", operation, NAMES)
        block = _learned_block(operation) if block is None else check_square("block", block)
        p = check_prime("the number of rows of block", len(block), "a discrete logarithm")
        root = primitive_root(p) if root is None else root
        discrete_log_order(p, root)  # says what is wrong with a root
        check_integer("placed", placed, at_least=0, at_most=p - 1)
        self._block = block[1:, 1:].detach().float().cpu()
        super().__init__(
            operation=operation,
            root=root,
            placed=placed,
            roots=_primitive_roots(p),
            modulus=p,
            entries=self._block.numpy().tobytes(),
        )

    @traitlets.validate("root")
    def _check_root(self, proposal: dict) -> int:
        discrete_log_order(cast(int, self.modulus), proposal["value"])
        return proposal["value"]

    @traitlets.validate("placed")
    def _check_placed(self, proposal: dict) -> int:
        most = cast(int, self.modulus) - 1
        return check_integer("placed", proposal["value"], at_least=0, at_most=most)

    @property
    def order(self) -> Tensor:
        """The digits in the order that is shown, (p − 1,) int64."""
        powers = discrete_log_order(cast(int, self.modulus), cast(int, self.root))
        first, rest = powers[: self.placed], powers[self.placed :]
        return torch.cat([first, rest.sort().values])

    @property
    def deviation(self) -> float:
        """Circulant deviation of the block in the order that is shown."""
        rows = self.order - 1
        columns = rows if OPERATIONS[cast(str, self.operation)].turn == 1 else rows.flip(0)
        return circulant_deviation(self._block[rows[:, None], columns])

    @property
    def sentence(self) -> str:
        """What is shown."""
        count = cast(int, self.modulus) - 1
        order = ", ".join(str(digit) for digit in self.order[:8].tolist())
        more = " and so on" if count > 8 else ""
        return (
            f"{NAMES[cast(str, self.operation)]} mod {self.modulus} with the "
            f"primitive root {self.root}: {self.placed} of {count} digits are in the order of "
            f"their discrete logarithm. The order begins {order}{more}. "
            f"Circulant deviation {self.deviation:.3f}."
        )


def _learned_block(operation: str) -> Float[Tensor, "p p"]:
    """The block of the last step of a packed run, in natural order."""
    name = f"{operation} Gaussian"
    values = torch.from_numpy(packed_runs()[name][-1]).double()
    scale = float(packed_runs()[f"{name} scales"][-1])
    return restore_block(values * (scale / LEVELS), operation)


def _primitive_roots(p: int) -> list[int]:
    """g^k is a primitive root exactly if k has no factor in common with p − 1."""
    order = discrete_log_order(p)
    coprime = torch.gcd(torch.arange(p - 1), torch.tensor(p - 1)) == 1
    return sorted(order[coprime].tolist())
