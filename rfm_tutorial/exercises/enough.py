"""Exercises of "How much is enough?"."""

from rfm_tutorial.exercises.by_hand import ByHand
from rfm_tutorial.exercises.judging import Exercise

diagonal = ByHand(
    right=[(a + (a - 2) % 5) % 5 for a in range(5)],
    mistakes={
        "you took the diagonal b − a = 2; the first digit is the one ahead.": (
            [(a + (a + 2) % 5) % 5 for a in range(5)]
        ),
        "these are the sums before they are wrapped around: 5 o'clock is 0.": (
            [a + (a - 2) % 5 for a in range(5)]
        ),
        "these are the second digits; asked are the sums.": [(a - 2) % 5 for a in range(5)],
        "this is the difference, the same all along the diagonal; asked are the sums.": [2] * 5,
    },
    returns="5 numbers",
    names=("the cell with a = {}",),
    see='the section "By hand: a training set that turns with the clock"',
)


def _border(
    shares: list[float], rates: list[float], first: bool = True, between: bool = True
) -> float | None:
    """The first crossing of one half or the last; on the line or at the point after it."""
    if rates[0] >= 0.5:
        return shares[0]
    found = None
    for i in range(1, len(rates)):
        if rates[i - 1] < 0.5 <= rates[i]:
            part = (0.5 - rates[i - 1]) / (rates[i] - rates[i - 1]) if between else 1.0
            found = shares[i - 1] + part * (shares[i] - shares[i - 1])
            if first:
                break
    return found


_SHARES = [0.2, 0.25, 0.3, 0.4, 0.5]

border = Exercise(
    reference=_border,
    cases={
        "a rate that rises from 0 to 1": lambda: (_SHARES, [0.0, 0.1, 0.3, 0.8, 1.0]),
        "a rate that is one half itself": lambda: (_SHARES, [0.0, 0.1, 0.5, 0.9, 1.0]),
        "a rate that falls again": lambda: (_SHARES, [0.1, 0.6, 0.4, 0.7, 1.0]),
        "a first rate above one half": lambda: (_SHARES, [0.6, 0.8, 0.9, 1.0, 1.0]),
        "a rate that stays below": lambda: (_SHARES, [0.0, 0.0, 0.1, 0.2, 0.4]),
    },
    mistakes={
        "this is the first share with a rate of one half or more; the line is there before it.": (
            lambda shares, rates: _border(shares, rates, between=False)
        ),
        "you take the last crossing; where a rate falls again, the first one is asked.": (
            lambda shares, rates: _border(shares, rates, first=False)
        ),
        "you take the middle between the two shares; the line comes to one half nearer to the rate "
        "that is nearer to one half.": lambda shares, rates: _middle(shares, rates),
    },
    returns="a number, the share at which the line comes to one half, or None",
    see='the section "Measuring a border"',
)


def _middle(shares: list[float], rates: list[float]) -> float | None:
    after = _border(shares, rates, between=False)
    if after is None or after == shares[0]:
        return after
    return (shares[shares.index(after) - 1] + after) / 2
