"""A group of one's own: from its table to a task, a run, and what its features depend on.

    python examples/own_group.py

Two groups with 27 elements. One is commutative, Z3 × Z3 × Z3. The other consists of matrices

    ⎛1 x z⎞
    ⎜  1 y⎟        modulo 3,   (x, y, z)·(x′, y′, z′) = (x + x′, y + y′, z + z′ + x·y′)
    ⎝    1⎠

in which, too, every element but the identity has order 3. Only the term x·y′ tells them apart.
"""

import itertools

import torch

from rfm_tutorial import RFM, GaussianKernel, class_deviation
from rfm_tutorial.groups import Group

ELEMENTS = list(itertools.product(range(3), repeat=3))


def made(twist: int, title: str) -> Group:
    """The group with z + z′ + twist · x·y′."""
    table = [
        [
            ELEMENTS.index(((x + u) % 3, (y + v) % 3, (z + w + twist * x * v) % 3))
            for u, v, w in ELEMENTS
        ]
        for x, y, z in ELEMENTS
    ]
    names = ["".join(map(str, element)) for element in ELEMENTS]
    return Group.from_table(torch.tensor(table), names, title)


def main() -> None:
    """Two groups, three shares of the table."""
    for group in (made(0, "Z3 × Z3 × Z3"), made(1, "matrices mod 3")):
        kind = "commutative" if group.is_abelian else "not commutative"
        print(f"{group.title}, {kind}, {int(group.conjugacy_classes.max()) + 1} conjugacy classes")
        for share in (0.5, 0.7, 0.9):
            split = group.task().split(share, seed=0)
            rfm = RFM(GaussianKernel(2.5), n_iterations=30)
            rfm.fit(split.X_train, split.Y_train, (split.X_test, split.Y_test), progress=False)
            right = rfm.history_[-1]["test_accuracy"]
            block = rfm.feature_matrix_[:27, 27:]
            left = class_deviation(block, group.classes("a^-1 b"))
            print(
                f"  {share:.0%} known: {right:.2f} right, a⁻¹b leaves {left:.2f} of the block over"
            )


if __name__ == "__main__":
    main()
