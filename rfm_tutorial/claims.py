"""Claims: what the book says in words, checked where the reader can see it."""

import torch


def claim(statement: str, holds: object) -> None:
    """Print a statement if it holds; stop the page if it does not.

    Parameters
    ----------
    statement : a sentence with the measured number in it
    holds : a comparison computed in the page; a tensor with a single bool will do

    Raises
    ------
    AssertionError
        If `holds` is false. The page then does not build: nothing false is published.
    TypeError
        If `holds` is not a single truth value.

    Examples
    --------
    >>> claim("2 + 2 is 4", 2 + 2 == 4)
    ✓ 2 + 2 is 4
    """
    if isinstance(holds, torch.Tensor) and holds.dtype == torch.bool and holds.ndim == 0:
        holds = bool(holds)
    if type(holds).__name__ not in ("bool", "bool_"):
        raise TypeError(f"holds must be True or False, got {holds!r}")
    if not holds:
        raise AssertionError(f"this claim does not hold here: {statement}")
    print(f"✓ {statement}")
