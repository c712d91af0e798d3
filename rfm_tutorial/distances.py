"""‖x − z‖²_M for all pairs of rows, right for each pair whatever the other rows are.

The quick way is one matrix product of rows that were moved to their middle. It is right to the
rounding of the two rows' own norms. That is too little for rows much closer to each other than to
the middle, such as the two rows of a far cluster; their distances are taken again from nearer by.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from rfm_tutorial.checks import check_integer, check_matrix, check_numbers, seeded_generator

ROUNDINGS = 4
"""How many times its rounding vᵀMv must be, not to count as 0. What a singular M leaves there
where 0 is right was measured as up to 2, with rare exceptions."""

Seen = tuple[Tensor, Tensor, Tensor, Tensor]


def _seen_from(center: Tensor, X: Tensor, Z: Tensor, M: Tensor | None) -> Seen:
    """MX (n, d), q_X (n, 1), Z (m, d), q_Z (m, 1) with the origin at a centre; q: squared norms."""
    X, Z = X - center, Z - center
    MX, MZ = (X, Z) if M is None else (X @ M, Z @ M)
    return MX, (MX * X).sum(1, keepdim=True), Z, (MZ * Z).sum(1, keepdim=True)


def seen_from_the_middle(X: Tensor, Z: Tensor, M: Tensor | None) -> Seen:
    """Both sides seen from the middle of Z: that changes no distance and keeps norms small.

    The middle is the mean of the rows, unless a few of them are so far out that they drag the
    mean away from the others. Then it is the median of each column.
    """
    seen = _seen_from(Z.detach().mean(0), X, Z, M)
    norms = seen[3].detach()
    # "not <=" also sends NaN, from an overflow, to the median, which is always a number.
    if not X.is_meta and not bool(norms.max() <= 16 * norms.median()):
        return _seen_from(Z.detach().median(0).values, X, Z, M)
    return seen


def product(seen: Seen, scale: float = 1.0, out: Tensor | None = None) -> Tensor:
    """scale · ‖x − z‖²_M in one matrix product: [−2 scale·MX, scale·q_X, scale] · [Z, 1, q_Z]ᵀ.

    A value carries the rounding of its own two norms, about eps (q_X + q_Z), and may come out a
    little below zero.
    """
    MX, q_X, Z, q_Z = seen
    left = torch.cat([MX * (-2 * scale), q_X * scale, torch.full_like(q_X, scale)], dim=1)
    right = torch.cat([Z, torch.ones_like(q_Z), q_Z], dim=1)
    return torch.mm(left, right.T, out=out)


def _largest(V: Tensor) -> Tensor:
    """The largest |entry| of each row, (k, 1), but no zero: a unit against overflow."""
    return V.detach().abs().amax(1, keepdim=True).clamp(min=torch.finfo(V.dtype).tiny)


def _spread(V: Tensor, M: Tensor) -> Tensor:
    """A bound of Σ |v_a M_ab v_b| for each row v, (k, 1). Times eps, it is the rounding of vᵀMv."""
    unit, top = _largest(V), _largest(M).max()
    V, M = V.detach() / unit, M.detach() / top
    spread = (V.abs() @ M.norm(dim=1, keepdim=True)) * V.norm(dim=1, keepdim=True)
    return spread * top * unit * unit


def squared_distances(
    X: Float[Tensor, "n d"],
    Z: Float[Tensor, "m d"],
    M: Float[Tensor, "d d"] | None = None,
    out: Float[Tensor, "n m"] | None = None,
) -> Float[Tensor, "n m"]:
    """‖x − z‖²_M for all pairs, never negative, and exactly 0 where x = z.

    One matrix product gives all of them. Its rounding is too much for rows that are much closer
    to each other than to the middle. If such rows form a large cluster, their distances are taken
    again as seen from its own middle, otherwise one by one from the differences x − z.

    So every distance is right to about eps^⅔ of itself and to the rounding of M, whatever the
    other rows are. It is 0 if it cannot be told from 0 given the rounding of M, or if its square
    is too small for the dtype; if its square is too large, it is infinity.

    Examples
    --------
    >>> x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1e6, 0.0], [1e6, 2.0], [1e30, 0.0]])
    >>> squared_distances(x, x[:4])
    tensor([[0.0000e+00, 1.0000e+00, 1.0000e+12, 1.0000e+12],
            [1.0000e+00, 0.0000e+00, 1.0000e+12, 1.0000e+12],
            [1.0000e+12, 1.0000e+12, 0.0000e+00, 4.0000e+00],
            [1.0000e+12, 1.0000e+12, 4.0000e+00, 0.0000e+00],
            [       inf,        inf,        inf,        inf]])
    """
    if X.is_meta:
        return product(seen_from_the_middle(X, Z, M), out=out)
    number = torch.finfo(X.dtype)
    top = 1.0 if M is None else float(_largest(M).max())
    reach = number.max**0.5 / (8 * X.shape[1] * top**0.5)
    small_X, small_Z = (_largest(side)[:, 0] < reach for side in (X, Z))
    if bool(small_X.all()) and bool(small_Z.all()):
        seen = _, _, centred, q_Z = seen_from_the_middle(X, Z, M)
        squared = product(seen, out=out)
        q_Z = q_Z.detach()
        spread = q_Z if M is None else _spread(centred, M)
        # Rows as close as this have about the same norm, so one of the two is enough.
        close = torch.maximum(2.5 * number.eps ** (1 / 3) * q_Z, ROUNDINGS * number.eps * spread)
        near = ~(squared > close.T)
    else:  # the product would overflow: it is for the other rows, seen by themselves
        squared = X.new_zeros(len(X), len(Z)) if out is None else out.zero_()
        spread = X.new_full((len(Z), 1), torch.inf)
        near = ~(small_X[:, None] & small_Z)
        _take_again(squared, X, Z, M, small_X.nonzero(), small_Z.nonzero()[:, 0])
    i, j = near.nonzero(as_tuple=True)
    if len(i) > 4 * sum(near.shape):
        for rows, columns in _clusters(near):
            _take_again(squared, X, Z, M, rows, columns)
        i, j = near.nonzero(as_tuple=True)
    chunk = max(1, 2**20 // X.shape[1])
    one_by_one = [
        _from_differences(X[a], Z[b], M, squared[a, b], spread[b, 0])
        for a, b in zip(i.split(chunk), j.split(chunk), strict=True)
    ]
    squared[i, j] = torch.cat(one_by_one)
    return squared


def _take_again(
    squared: Tensor, X: Tensor, Z: Tensor, M: Tensor | None, rows: Tensor, columns: Tensor
) -> None:
    """Overwrite the block of rows (r, 1) of X and columns (c,), rows of Z."""
    if len(rows) and len(columns):
        squared[rows, columns] = squared_distances(X[rows[:, 0]], Z[columns], M)


def _clusters(near: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows (r, 1) and columns (c,) of blocks of a 0/1 matrix that have many ones; clears them.

    Only of blocks that are worth the search, and never the whole matrix again.
    """
    for _ in range(64):
        columns = near[near.sum(1).argmax()].nonzero()[:, 0]
        rows = near[:, columns[:1]].any(1).nonzero()
        if not near.numel() / 256 <= len(rows) * len(columns) < near.numel():
            return
        yield rows, columns
        near[rows, columns] = False


def _from_differences(
    X: Tensor, Z: Tensor, M: Tensor | None, known: Tensor, spread: Tensor
) -> Tensor:
    """‖x − z‖²_M of each row of X (k, d) and the same row of Z (k, d).

    `known` is what the product gave, `spread` that of z as seen there. It is kept where the
    difference has no better digits: where rows are close under M alone.
    """
    number = torch.finfo(X.dtype)
    difference = (X - Z).clamp(-number.max, number.max)
    if M is None:
        # Not square(), whose gradient is doubled before it is multiplied by what may be 0.
        return (difference * difference).sum(1)
    unit, top = _largest(difference), _largest(M).max()
    difference, M = difference / unit, M / top
    unit, spread_here = unit[:, 0], _spread(difference, M)[:, 0]
    own = spread_here * top * unit * unit
    known = known.masked_fill(known <= ROUNDINGS * number.eps * (spread + own), 0.0)
    known = known.masked_fill(own == 0, 0.0)
    (better,) = (~(own > spread / 4) & (own != 0)).nonzero(as_tuple=True)
    difference, unit, spread_here = difference[better], unit[better], spread_here[better]
    squared = ((difference @ M) * difference).sum(1)
    squared = squared.masked_fill(squared <= ROUNDINGS * number.eps * spread_here, 0.0)
    return known.index_put((better,), squared * top * unit * unit)


def median_distance(X: Float[Tensor, "n d"], n_rows: int = 2000, seed: int = 0) -> float:
    """The median of ‖x − z‖ over pairs of different rows: a bandwidth to begin with.

    Rows that are the same have no say. If there is nothing but such rows, the answer is 1.

    Parameters
    ----------
    X : inputs, (n, d)
    n_rows : if there are more rows, so many of them are drawn, with the given seed

    Raises
    ------
    ValueError
        If X is not a finite 2-d float tensor, or n_rows or seed no such integer.

    Source: the median heuristic; Garreau, Jitkrittum and Kanagawa, arXiv 1707.07269, look at what
    it does.

    Examples
    --------
    >>> median_distance(torch.tensor([[0.0], [0.0], [3.0], [4.0]]))
    3.0
    """
    check_numbers("X", check_matrix("X", X))
    check_integer("n_rows", n_rows, at_least=2)
    generator = seeded_generator(seed)
    if len(X) > n_rows:
        X = X[torch.randperm(len(X), generator=generator)[:n_rows].to(X.device)]
    distances = torch.nn.functional.pdist(X.detach())
    distances = distances[distances > 0]
    return float(distances.median()) if len(distances) else 1.0
