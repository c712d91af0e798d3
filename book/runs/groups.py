"""Which groups does RFM learn? Tables of a·b for groups of order up to 63, Gaussian, bandwidth 2.5.

Five splits of the small groups that do not commute, three of those beyond order 40 and of those
that do, which never fail; two of the two largest of these.

A record per step: accuracy on the hidden cells, on those whose elements commute and on the others,
and by what the block that joins a to b is explained, `deviation_…`: the share that the class means
of a⁻¹b, ab⁻¹, ab and ba leave over.
"""

from typing import Any

from rfm_tutorial import RFM, GaussianKernel, accuracy, class_deviation
from rfm_tutorial.groups import (
    Group,
    alternating,
    cyclic,
    dihedral,
    direct_product,
    permutations,
    quaternion,
    symmetric,
)


def turns_and_stretches(n: int, stretch: int, title: str) -> Group:
    """x → s·x + t on a clock with n hours, s a power of the given stretch."""
    turn = [(x + 1) % n for x in range(n)]
    return permutations(turn, [stretch * x % n for x in range(n)], title=title)


def heisenberg() -> Group:
    """Order 27, and a·a·a = 1 for all a, as in Z3 × Z3 × Z3."""
    turn = [3 * (x // 3) + (x + 1) % 3 for x in range(9)]  # within each of three triples
    shift = [(x + 3) % 9 for x in range(9)]  # the triples among themselves
    mixed = [3 * (x // 3) + (x % 3 + x // 3) % 3 for x in range(9)]  # triple k by k
    return permutations(turn, shift, mixed, title="He3")


GROUPS = {
    "Z16": lambda: cyclic(16),
    "Z24": lambda: cyclic(24),
    "Z2 × Z12": lambda: direct_product(cyclic(2), cyclic(12)),
    "Z3 × Z3 × Z3": lambda: direct_product(*[cyclic(3)] * 3),
    "Z30": lambda: cyclic(30),
    "Z31": lambda: cyclic(31),
    "Z2 × Z2 × Z2 × Z2 × Z2": lambda: direct_product(*[cyclic(2)] * 5),
    "Z4 × Z8": lambda: direct_product(cyclic(4), cyclic(8)),
    "Z5 × Z7": lambda: direct_product(cyclic(5), cyclic(7)),
    "Z6 × Z6": lambda: direct_product(cyclic(6), cyclic(6)),
    "Z7 × Z7": lambda: direct_product(cyclic(7), cyclic(7)),
    "Z60": lambda: cyclic(60),
    "F20": lambda: turns_and_stretches(5, 2, "F20"),
    "F21": lambda: turns_and_stretches(7, 2, "F21"),
    "D11": lambda: dihedral(11),
    "S4": lambda: symmetric(4),
    "Q8 × Z3": lambda: direct_product(quaternion(), cyclic(3)),
    "He3": heisenberg,
    "D15": lambda: dihedral(15),
    "S3 × Z5": lambda: direct_product(symmetric(3), cyclic(5)),
    "S3 × S3": lambda: direct_product(symmetric(3), symmetric(3)),
    "F42": lambda: turns_and_stretches(7, 3, "F42"),
    "D25": lambda: dihedral(25),
    "F55": lambda: turns_and_stretches(11, 3, "F55"),
    "Q8 × Z7": lambda: direct_product(quaternion(), cyclic(7)),
    "D30": lambda: dihedral(30),
    "A5": lambda: alternating(5),
    # Chosen to tell apart what could decide: the sizes of the irreducible representations, of the
    # commutative subgroups, or how often two elements commute.
    "A4 × Z3": lambda: direct_product(alternating(4), cyclic(3)),
    "F39": lambda: turns_and_stretches(13, 3, "F39"),
    "S4 × Z2": lambda: direct_product(symmetric(4), cyclic(2)),
    "He3 × Z2": lambda: direct_product(heisenberg(), cyclic(2)),
    "F57": lambda: turns_and_stretches(19, 7, "F57"),
    "A4 × Z5": lambda: direct_product(alternating(4), cyclic(5)),
    "F20 × Z3": lambda: direct_product(turns_and_stretches(5, 2, "F20"), cyclic(3)),
    "F21 × Z3": lambda: direct_product(turns_and_stretches(7, 2, "F21"), cyclic(3)),
}
"""By name, in the order of their size, the commutative ones first; what came later at the end."""
_LARGE = ("F42", "D25", "F55", "Q8 × Z7", "D30", "A5", "S4 × Z2", "He3 × Z2", "F57")
_LARGE += ("A4 × Z5", "F20 × Z3", "F21 × Z3")
SPLITS = {"Z7 × Z7": 2, "Z60": 2} | dict.fromkeys((*list(GROUPS)[:10], *_LARGE), 3)
CASES = [
    {"group": group, "train_fraction": fraction, "seed": seed}
    for group in GROUPS
    for fraction in (0.7, 0.9)
    for seed in range(SPLITS.get(group, 5))
]
SAMPLE = {"group": "S3 × Z5", "train_fraction": 0.7, "seed": 1, "n_iterations": 2}


def run(
    group: str, train_fraction: float, seed: int, n_iterations: int = 30
) -> list[dict[str, Any]]:
    """One split."""
    made = GROUPS[group]()
    split = made.task().split(train_fraction, seed)
    a, b = split.pairs_test.T
    commute = made.table[a, b] == made.table[b, a]
    records = []
    for step in RFM(GaussianKernel(2.5), n_iterations).iterate(split.X_train, split.Y_train):
        scores = step.predict(split.X_test)
        record: dict[str, Any] = {
            "order": made.order,
            "abelian": made.is_abelian,
            "iteration": step.iteration,
            "train_accuracy": accuracy(step.predict(split.X_train), split.y_train),
            "test_accuracy": accuracy(scores, split.y_test),
        }
        for name, rows in (("commuting", commute), ("other", ~commute)):
            if bool(rows.any()):
                record[f"{name}_accuracy"] = accuracy(scores[rows], split.y_test[rows])
        if step.iteration > 0:
            block = step.feature_matrix[: made.order, made.order :]
            for name, word in (
                ("left_quotient", "a^-1 b"),
                ("right_quotient", "a b^-1"),
                ("product", "ab"),
                ("swapped", "ba"),
            ):
                record[f"deviation_{name}"] = class_deviation(block, made.classes(word))
        records.append(record)
    return records
