"""The checks behind the book's exercises, one module per chapter.

    check("limits.median_jump", my_function)

climbs three rungs and stops at the first that does not hold:

1  kind      the answer is a function and gives back the right kind of thing
2  values    on an ordinary case it agrees with a reference: "83 % of the values are right"
3  edges     it agrees on the named edge cases, and leaves its inputs as they came

Numbers that were worked out by hand climb the same three: are all of them there, are they right,
are they right in the places where many go wrong?

A wrong answer that many people give is recognised by its values and gets a message of its own.
Questions about a figure are asked by an explorable, `Questions`; an open laboratory has no key.
"""

import textwrap

from rfm_tutorial.exercises import (
    circulant_blocks,
    clock,
    emergence,
    enough,
    fourier,
    gradients,
    grokking,
    kernel_machines,
    laws,
    ledger,
    limits,
    loop,
    networks,
    random_features,
    trap,
    which_tables,
)
from rfm_tutorial.exercises.by_hand import ByHand
from rfm_tutorial.exercises.judging import RUNGS, Exercise

CHAPTERS = (
    clock,
    kernel_machines,
    gradients,
    loop,
    grokking,
    emergence,
    circulant_blocks,
    random_features,
    networks,
    fourier,
    limits,
    ledger,
    trap,
    which_tables,
    enough,
    laws,
)
EXERCISES: dict[str, Exercise | ByHand] = {
    f"{chapter.__name__.rpartition('.')[2]}.{name}": value
    for chapter in CHAPTERS
    for name, value in vars(chapter).items()
    if isinstance(value, Exercise | ByHand)
}
"""By name: that of the chapter's module, a dot, and that of the variable in it."""


def check(name: str, answer: object) -> None:
    """Print what is right or wrong about an answer to the exercise called `name`.

    Examples
    --------
    >>> check("emergence.alarm", lambda deviations, n, falls=3: None)
    ✗ emergence.alarm, rung 1 of 3 (kind): on a run like that of + your function
      returned None; it should return an int, the step, or None if the alarm never
      rings.
      Where to look: the section "Another kernel".
    """
    if name not in EXERCISES:
        known = ", ".join(EXERCISES)
        raise ValueError(f"name must be one of {known}, got {name!r}")
    verdict = EXERCISES[name].verdict(answer)
    if verdict.rung is None:
        lines = [f"✓ {name}: {verdict.message}"]
    else:
        rung = RUNGS.index(verdict.rung) + 1
        lines = [
            f"✗ {name}, rung {rung} of 3 ({verdict.rung}): {verdict.message}",
            f"Where to look: {EXERCISES[name].see}.",
        ]
    for number, line in enumerate(lines):
        print(textwrap.fill(line, 78, initial_indent="  " * number, subsequent_indent="  "))
