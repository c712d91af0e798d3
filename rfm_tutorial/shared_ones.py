"""Which rows of a matrix of zeros and ones share a one: what one-hot digits are grouped by."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Groups:
    """Which centres have a one in which column, for centres of zeros and ones."""

    members: Int[Tensor, "d g"]
    """Row numbers, padded with row 0 where a column has fewer than g ones or is crowded."""
    present: Float[Tensor, "d g"]
    """1 for a member, 0 for padding."""
    crowded: dict[int, Int[Tensor, " r"]]
    """Row numbers of the columns with more than twice the usual number of ones (a task digit)."""
    columns: Int[Tensor, "n k"] | None
    """The columns of the ones of each row, if every row has equally many."""
    first_block: int | None
    """Columns before this one hold exactly one 1 per row (the first digit), if so."""


def find_groups(Z: Float[Tensor, "n d"]) -> Groups | None:
    """The groups of a 0/1 matrix with at least one 1; None for anything else.

    Looks at values, so there is nothing to find on the meta device.
    """
    if Z.is_meta or not bool(((Z == 0) | (Z == 1)).all()):
        return None
    column, row = Z.T.nonzero(as_tuple=True)
    if len(row) == 0:
        return None
    counts = torch.bincount(column, minlength=Z.shape[1])
    # One crowded column would have all the others padded to its length.
    limit = 2 * counts[counts > 0].median()
    crowded = {int(k): row[column == k] for k in (counts > limit).nonzero()[:, 0]}
    usual = counts[column] <= limit
    column, row = column[usual], row[usual]
    counts = torch.where(counts > limit, 0, counts)
    width = int(counts.max())
    place = torch.arange(len(row), device=Z.device) - (counts.cumsum(0) - counts)[column]
    members = torch.zeros(Z.shape[1], width, dtype=torch.int64, device=Z.device)
    members[column, place] = row
    present = torch.zeros(Z.shape[1], width, dtype=Z.dtype, device=Z.device)
    present[column, place] = 1
    ones_per_row = Z.sum(1)
    even = bool((ones_per_row == ones_per_row[0]).all())
    columns = Z.nonzero()[:, 1].view(len(Z), -1) if even else None
    one_so_far = (Z.cumsum(1) == 1).all(0).nonzero()
    first_block = int(one_so_far[0]) + 1 if len(one_so_far) else None
    return Groups(members, present, crowded, columns, first_block)
