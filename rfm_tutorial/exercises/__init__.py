"""The checks behind the book's exercises, one module per chapter.

    check("grokking.jump", my_function)

climbs three rungs and stops at the first that does not hold:

1  shape     the answer is a function and gives back the right kind of thing
2  values    on an ordinary case it agrees with a reference: "83 % of the values are right"
3  edges     it agrees on the named edge cases, and leaves its inputs as they came

A wrong answer that many people give is recognised by its values and gets a message of its own.
"""

import textwrap

from rfm_tutorial.exercises import (
    circulant_blocks,
    clock,
    emergence,
    fourier,
    gradients,
    grokking,
    kernel_machines,
    ledger,
    limits,
    loop,
    networks,
    random_features,
)
from rfm_tutorial.exercises.judging import RUNGS, Exercise, judge

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
)
EXERCISES: dict[str, Exercise] = {
    f"{chapter.__name__.rpartition('.')[2]}.{name}": value
    for chapter in CHAPTERS
    for name, value in vars(chapter).items()
    if isinstance(value, Exercise)
}
"""By name: that of the chapter's module, a dot, and that of the variable in it."""


def check(name: str, answer: object) -> None:
    """Print what is right or wrong about an answer to the exercise called `name`.

    Examples
    --------
    >>> check("grokking.jump", lambda test_accuracy, threshold=0.5: None)
    ✗ grokking.jump, rung 1 of 3 (shape): on an ordinary run your function
      returned None; it should return an int, the iteration, or None if the
      threshold is never reached.
      Where to look: the curves in "The same with the package".
    """
    if name not in EXERCISES:
        known = ", ".join(EXERCISES)
        raise ValueError(f"name must be one of {known}, got {name!r}")
    verdict = judge(EXERCISES[name], answer)
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
