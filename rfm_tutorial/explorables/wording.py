"""Words that Python and the scripts share, so that both say the same about the same state."""

from collections.abc import Sequence

from rfm_tutorial.operations import GROUP_OPERATIONS, OPERATIONS

SYMBOLS = {name: OPERATIONS[name].symbol for name in GROUP_OPERATIONS}
"""The operations to choose from, by name."""


def rounded(value: float, digits: int) -> str:
    """A number with this many decimals.

    What lies exactly between two of them goes up. Two programs whose results differ by rounding
    errors then still say the same of 1/16, which is 0.063 here and not now 0.062, now 0.063.

    Examples
    --------
    >>> rounded(0.0625, 3), rounded(-1e-17, 3)
    ('0.063', '0.000')
    """
    return f"{value + 1e-9:z.{digits}f}"


def listing(items: Sequence[int]) -> str:
    """Numbers as one says them.

    Examples
    --------
    >>> listing([2]), listing([2, 8]), listing([2, 5, 8])
    ('2', '2 and 8', '2, 5 and 8')
    """
    if len(items) < 2:
        return str(items[0])
    return f"{', '.join(str(item) for item in items[:-1])} and {items[-1]}"
