"""Which tables can be learned? Choose a group; see its table fill, its block, and the accuracy."""

from functools import cache
from typing import cast

import numpy as np
import traitlets
from safetensors.numpy import load_file

from rfm_tutorial.checks import check_choice, check_integer
from rfm_tutorial.explorables.base import HERE, Explorable, script, style
from rfm_tutorial.explorables.grok import LEVELS
from rfm_tutorial.groups import named_group
from rfm_tutorial.subgroups import commutative_subgroup, cosets

PACKED = HERE / "which_tables.safetensors"
"""A run for each group, made by tools/pack_tables.py."""

GROUPS = {
    "Z24": named_group("Z24"),
    "Q8 × Z3": named_group("Q8xZ3"),
    "D15": named_group("D15"),
    "A4 × Z3": named_group("A4xZ3"),
    "S4": named_group("S4"),
}
"""By title, from what is learned to what is not."""
SHARE, EVERY, LAST = 0.9, 5, 30
"""The share of the table that is shown; a block is kept at every fifth of thirty updates."""
MOMENTS = LAST // EVERY
ORDERS = ("as numbered", "by cosets")


@cache
def packed_runs() -> dict[str, np.ndarray]:
    """What `PACKED` holds, for each title.

    Its blocks at updates 5, 10, … 30 (6, n, n) as int8, their largest entries "… scales" (6,);
    "… hidden" (m,), hidden cells as numbers a·n + b, and "… right" (7, m) uint8, which of them
    were right at updates 0, 5, … 30; "… accuracy" (31,) of every update; "… left over" (7, 2), of
    the block by the class means of a⁻¹b and of clocks in cosets, 0 where there is no block.
    """
    return load_file(PACKED)


class WhichTables(Explorable):
    """One run of 30 updates on a group's table, nine tenths of it shown.

    Linked views: the table with its hidden cells, right or wrong; the block of the feature matrix
    that joins a to b; the accuracy. Rows and columns stand as numbered, or one coset of a largest
    commutative subgroup after the other.

    Parameters
    ----------
    group : "Z24", "Q8 × Z3", "D15", "A4 × Z3" or "S4"
    order : "as numbered" or "by cosets"
    moment : 0 … 6, in fives of updates

    Raises
    ------
    ValueError
        If an argument is none of these.

    Examples
    --------
    >>> WhichTables("S4", moment=0)
    Update 0 of 30 on S4, 24 elements by cosets of a commutative subgroup of 4: right on 0 of 58 \
hidden cells. The block is still empty.
    """

    _esm = script(
        "which_tables",
        EVERY=EVERY,
        LAST=LAST,
        LEVELS=LEVELS,
        MOMENTS=MOMENTS,
        ORDERS=ORDERS,
        TITLES=tuple(GROUPS),
    )
    _css = style()

    group = traitlets.Enum(tuple(GROUPS), "D15").tag(sync=True)
    order = traitlets.Enum(ORDERS, "by cosets").tag(sync=True)
    moment = traitlets.Int(MOMENTS, min=0, max=MOMENTS).tag(sync=True)
    runs = traitlets.Dict().tag(sync=True)
    """For the script: of each group its size, orders of rows and columns, cells and measures."""
    entries = traitlets.Bytes().tag(sync=True)
    """For the script: of each group its table, then its blocks, a byte for each entry."""

    def __init__(self, group: str = "D15", order: str = "by cosets", moment: int = MOMENTS) -> None:
        check_choice("group", group, GROUPS)
        check_choice("order", order, ORDERS)
        check_integer("moment", moment, at_least=0, at_most=MOMENTS)
        runs, entries, start = {}, [], 0
        for title, made in GROUPS.items():
            blocks = packed_runs()[title]
            cut = cosets(made)
            runs[title] = {
                "accuracy": packed_runs()[f"{title} accuracy"].round(4).tolist(),
                "columns": cut.columns.tolist(),
                "hidden": packed_runs()[f"{title} hidden"].tolist(),
                "inside": len(commutative_subgroup(made)),
                "left": packed_runs()[f"{title} left over"].round(6).tolist(),
                "right": ["".join(map(str, row)) for row in packed_runs()[f"{title} right"]],
                "rows": cut.rows.tolist(),
                "size": made.order,
                "start": start,
            }
            entries += [made.table.numpy().astype(np.int8).tobytes(), blocks.tobytes()]
            start += made.order**2 + blocks.size
        super().__init__(
            group=group, order=order, moment=moment, runs=runs, entries=b"".join(entries)
        )

    @property
    def sentence(self) -> str:
        """What is shown at this update."""
        title, at = cast(str, self.group), cast(int, self.moment)
        right = packed_runs()[f"{title} right"][at]
        first, second = packed_runs()[f"{title} left over"][at]
        inside = len(commutative_subgroup(GROUPS[title]))
        block = (
            "The block is still empty."
            if at == 0
            else f"Class means of a⁻¹b leave {first:.2f} of the block over, a clock in each pair "
            f"of cosets {second:.2f}; of noise they leave {1 - 1 / GROUPS[title].order:.2f} and "
            f"{1 - 1 / inside:.2f}."
        )
        order = (
            f"by cosets of a commutative subgroup of {inside}"
            if self.order == "by cosets"
            else "as numbered"
        )
        return (
            f"Update {EVERY * at} of {LAST} on {title}, {GROUPS[title].order} elements {order}: "
            f"right on {right.sum()} of {len(right)} hidden cells. {block}"
        )
