"""The sums behind the AGOP of a kernel machine f(x) = Σ_i α_i k(x, z_i; M). By the chain rule

    J(x_j)ᵀ = M A_j,    A_j = Zᵀ diag(w_j) α − [radial] x_j f'_j,    f'_j = Σ_i w_ij α_i

with Z (n, d) the centres and w_ij the derivative weight of centre i at row j (see
`rfm_tutorial.kernels`). Only Σ_j A_j A_jᵀ costs anything. Three ways to it give the same answer;
the cheapest is taken:

grouped   the centres are rows of zeros and ones (one-hot digits): Zᵀ diag(w_j) α is a sum over the
          centres that share a digit, one small matrix product per digit
direct    few inputs times outputs: A_j from one dense product, or where that would cost too many
          digits from the differences z − x themselves
closed    otherwise, Σ_j A_j A_jᵀ = Zᵀ [(ααᵀ) ∘ (W Wᵀ)] Z − B − Bᵀ + Xᵀ diag(‖f'_j‖²) X with
          B = Zᵀ [(α F'ᵀ) ∘ W] X, in which no gradient is ever formed. Large coefficients that
          cancel in a gradient cancel here squared; where that costs digits, direct is taken

All run over rows in chunks.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rfm_tutorial.distances import seen_from_the_middle
from rfm_tutorial.kernels import Kernel
from rfm_tutorial.linalg import Workspace
from rfm_tutorial.precision import in_full_precision
from rfm_tutorial.shared_ones import Groups


class LoopAgop(NamedTuple):
    """What the loop needs of an AGOP."""

    matrix: Float[Tensor, "d d"]
    share: float
    """Of the gradients' squares, what centering left; nan if nothing was centred."""
    rounding: float
    """How negative an eigenvalue may be, relative to the largest."""


def kernel_agop(*args, **options) -> Float[Tensor, "d d"]:
    """`predictor_agop` without checks: the matrix of `loop_agop`."""
    return loop_agop(*args, **options).matrix


@torch.no_grad()
@in_full_precision
def loop_agop(
    kernel: Kernel,
    Z: Float[Tensor, "n d"],
    dual_coef: Float[Tensor, "n c"],
    M: Float[Tensor, "d d"] | None,
    X: Float[Tensor, "m d"],
    *,
    center: bool,
    chunk_size: int | None = None,
    groups: Groups | None = None,
    values: Float[Tensor, "n m"] | None = None,
    workspace: Workspace | None = None,
    method: str | None = None,
) -> LoopAgop:
    """The AGOP for the loop, which has groups and kernel values at hand.

    `method` forces "grouped", "direct" or "closed", for tests and benchmarks.
    """
    work = workspace or Workspace()
    alpha = dual_coef * kernel.slope_scale
    chosen = method or _cheapest_method(len(Z), X, alpha.shape[1], groups)
    used = None if chosen == "direct" else groups

    def summed(shift: Tensor | None = None) -> tuple[Tensor, Tensor]:
        gradients = reduced_gradients(kernel, Z, alpha, M, X, values, used, chunk_size, work, shift)
        return _summed(gradients, X, alpha)

    sums = None
    if chosen == "closed":
        total, mean, rounding = _closed_form(kernel, Z, alpha, M, X, values, chunk_size, work)
        if method is not None or X.is_meta or rounding <= float(total.trace()):
            sums = total, mean
    total, mean = summed() if sums is None else sums
    mean /= len(X)
    if center and len(X) == 1:
        total.zero_()  # one gradient is its own mean; a difference would leave rounding behind
    elif center:
        centered = total - mean @ mean.T * len(X)
        if cancelled(centered, total):
            centered, _ = summed(mean)
        total = centered
    total /= len(X)
    G, size = total, total.trace()
    if M is not None:
        G, mean, size = M @ total @ M, M @ mean, size * M.square().sum()
    share, rounding = math.nan, agop_rounding(X.dtype) * len(G)
    if not X.is_meta:
        left = G.trace()
        # What M takes away has left its rounding behind.
        rounding *= max(1.0, float(size / left)) if bool(left > 0) else 1.0
        share = float(left / (left + mean.square().sum())) if center else math.nan
    return LoopAgop((G + G.T) / 2, share, rounding)


def cancelled(centered: Tensor, total: Tensor) -> bool:
    """Whether subtracting what the mean makes of a Gram matrix, or of any in a stack, left less
    than it carries of rounding; then the mean has to be subtracted from the gradients."""
    if total.is_meta:
        return False
    left, whole = (matrix.diagonal(dim1=-2, dim2=-1).sum(-1) for matrix in (centered, total))
    eps = torch.finfo(total.dtype).eps
    return bool((left * agop_rounding(total.dtype) < whole * eps).any())


def agop_rounding(dtype: torch.dtype) -> float:
    """The rounding that an AGOP may carry, in parts of its trace; the closed form is not taken
    where it would leave more."""
    return torch.finfo(dtype).eps ** 0.75


def _cheapest_method(n: int, X: Tensor, c: int, groups: Groups | None) -> str:
    """Count multiplications: forming the gradients and their Gram matrix, against n²m."""
    m, d = X.shape
    gram = 0.63 * m * d * d * c
    cost = {"closed": 0.6 * n * n * m + 2 * n * m * c, "direct": n * m * d * c + gram}
    if groups is not None:
        crowded = sum(len(rows) for rows in groups.crowded.values())
        cost["grouped"] = (groups.members.numel() + crowded) * m * c + gram
    return min(cost, key=lambda method: cost[method])


def reduced_gradients(
    kernel: Kernel,
    Z: Tensor,
    alpha: Tensor,
    M: Tensor | None,
    X: Tensor,
    values: Tensor | None,
    groups: Groups | None,
    chunk_size: int | None,
    work: Workspace,
    shift: Float[Tensor, "d c"] | None = None,
) -> Iterator[Float[Tensor, "d c b"]]:
    """A_j, less `shift`, for chunk after chunk of b rows; each overwrites the one before."""
    (n, d), c = Z.shape, alpha.shape[1]
    if groups is None:
        rows = chunk_rows(X, (d + n) * c, chunk_size)
        gradients = _dense_gradients(kernel, Z, alpha, X, work)
    else:
        rows = chunk_rows(X, d * c, chunk_size)
        gradients = _grouped_gradients(kernel, Z, alpha, X, groups, work)
    for start, W in _slopes_in_chunks(kernel, Z, M, X, values, rows):
        A = gradients(start, W)
        if shift is not None:
            A -= shift[:, :, None]
        yield A


Gradients = Callable[[int, Float[Tensor, "n b"]], Float[Tensor, "d c b"]]
"""First row of a chunk and its weights W ↦ A_j of these rows."""


def _dense_gradients(
    kernel: Kernel, Z: Tensor, alpha: Tensor, X: Tensor, work: Workspace
) -> Gradients:
    (n, d), c = Z.shape, alpha.shape[1]
    seen = _Seen.of(kernel, Z, alpha, X)

    def gradients(start: int, W: Tensor) -> Tensor:
        b = W.shape[1]
        weighted = work.empty("weighted", n, c, b, like=W)
        A = work.empty("gradients", d, c, b, like=W)
        torch.mul(W[:, None, :], alpha[:, :, None], out=weighted)
        torch.mm(seen.Z.T, weighted.view(n, c * b), out=A.view(d, c * b))
        if kernel.radial:
            A.addcmul_(seen.X[start : start + b].T[:, None, :], (alpha.T @ W)[None], value=-1)
        for row in seen.close(start, W):
            A[:, :, row] = _from_differences(Z, alpha, X[start + row], W[:, row])
        return A

    return gradients


def _grouped_gradients(
    kernel: Kernel, Z: Tensor, alpha: Tensor, X: Tensor, groups: Groups, work: Workspace
) -> Gradients:
    """For 0/1 centres Zᵀ diag(w_j) α is, for each input, a sum over the centres that have it."""
    (d, width), c = groups.members.shape, alpha.shape[1]
    members = groups.members.reshape(-1)
    grouped = alpha[members].view(d, width, c) * groups.present[:, :, None]
    grouped = grouped.transpose(1, 2).contiguous()
    crowded = {column: (rows, alpha[rows].T) for column, rows in groups.crowded.items()}

    def gradients(start: int, W: Tensor) -> Tensor:
        b = W.shape[1]
        gathered = work.empty("gathered", d * width, b, like=W)
        A = work.empty("gradients", d, c, b, like=W)
        torch.index_select(W, 0, members, out=gathered)
        torch.bmm(grouped, gathered.view(d, width, b), out=A)
        for column, (rows, weights) in crowded.items():
            torch.mm(weights, W[rows], out=A[column])
        if kernel.radial:
            block = groups.first_block
            F = alpha.T @ W if block is None else A[:block].sum(0)
            if groups.columns is not None and X is Z:
                _subtract_at_ones(A, groups.columns[start : start + b], F)
            else:
                A.addcmul_(X[start : start + b].T[:, None, :], F[None], value=-1)
        return A

    return gradients


def _subtract_at_ones(A: Tensor, columns: Int[Tensor, "b k"], F: Float[Tensor, "c b"]) -> None:
    """A_j −= x_j f'_j where x_j is 1 at a few columns and 0 elsewhere."""
    row = torch.arange(len(columns), device=A.device)
    for column in columns.T:
        A[column, :, row] -= F.T


@dataclass(frozen=True)
class _Seen:
    """Rows and centres as the dense products should see them. The gradient of a radial kernel is
    made of differences z − x, so that both may be moved to where few digits are lost."""

    X: Float[Tensor, "m d"]
    Z: Float[Tensor, "n d"]
    squares: tuple[Float[Tensor, "m 1"], Float[Tensor, "n 1"]] | None
    """Squared norms of both; None if the kernel is not radial, and nothing was moved."""
    sizes: Float[Tensor, "n 1"]
    """Of the coefficients of each centre, the largest being 1."""

    @classmethod
    def of(cls, kernel: Kernel, Z: Tensor, alpha: Tensor, X: Tensor) -> "_Seen":
        sizes = alpha.abs().amax(1, keepdim=True)
        sizes = sizes / sizes.max().clamp(min=torch.finfo(X.dtype).tiny)
        if not kernel.radial:
            return cls(X, Z, None, sizes)
        # What overflows belongs to rows with weight 0, which 0 · ∞ would not be.
        largest = torch.finfo(X.dtype).max
        seen = (part.clamp(-largest, largest) for part in seen_from_the_middle(X, Z, None))
        X, q_X, Z, q_Z = seen
        return cls(X, Z, (q_X, q_Z), sizes)

    def close(self, start: int, W: Float[Tensor, "n b"]) -> list[int]:
        """Rows whose weighted centres are so much nearer to them than the middle is that
        w·z − w·x would cost half of the digits: equal rows and clusters far out.

        Σ_i v_i ‖z_i − x‖² against ‖x‖² Σ_i v_i, with v_i = |w_i| · size of α_i.
        """
        if self.squares is None or W.is_meta:
            return []
        threshold = torch.finfo(W.dtype).eps ** 0.5
        part = slice(start, start + W.shape[1])
        X, q_X, q_Z = self.X[part], self.squares[0][part], self.squares[1]
        norms = torch.cat([torch.ones_like(q_Z), q_Z.sqrt(), q_Z], 1)
        V = W.abs()
        total, first, second = (V.T @ (self.sizes * norms)).split(1, 1)
        own = q_X * total
        # ‖z − x‖ ≥ |‖z‖ − ‖x‖| clears most rows without a product as large as the gradient's own.
        # "not >" also finds NaN, from an overflow.
        doubtful = ~(second - 2 * q_X.sqrt() * first + own > threshold * own) & (own > 0)
        rows = doubtful[:, 0].nonzero()[:, 0]
        if len(rows) > 0:
            V, X, own = V[:, rows] * self.sizes, X[rows], own[rows]
            apart = V.T @ q_Z - 2 * (X * (V.T @ self.Z)).sum(1, keepdim=True) + own
            rows = rows[~(apart > threshold * own)[:, 0]]
        return rows.tolist()


def _from_differences(
    Z: Tensor, alpha: Tensor, x: Float[Tensor, " d"], w: Float[Tensor, " n"]
) -> Float[Tensor, "d c"]:
    """Σ_i w_i (z_i − x) α_iᵀ, term by term: exactly 0 for centres equal to x."""
    largest = torch.finfo(Z.dtype).max
    return ((Z - x).clamp(-largest, largest) * w[:, None]).T @ alpha


def _slopes_in_chunks(
    kernel: Kernel, Z: Tensor, M: Tensor | None, X: Tensor, values: Tensor | None, rows: int
) -> Iterator[tuple[int, Float[Tensor, "n b"]]]:
    """First row and slopes(Z, X[first : first + b]), computed for about n rows at once.

    A row that is a centre itself has weight 0 there. It has no effect on a radial kernel's
    gradient, where it is multiplied by x − x; kept, it would be added to both of two terms whose
    difference is the gradient, and swamp it for a small bandwidth.
    """
    block = -(-len(Z) // rows) * rows
    for start in range(0, len(X), block):
        end = min(start + block, len(X))
        known = None if values is None else values[:, start:end]
        slopes = kernel.slopes(Z, X[start:end], M, known)
        own = slopes[start:end].diagonal() if kernel.radial and X is Z else slopes[:0].diagonal()
        kept = own.clone()
        own.zero_()
        for low in range(0, end - start, rows):
            yield start + low, slopes[:, low : low + rows]
        own.copy_(kept)  # the slopes may be the caller's values


def _summed(
    gradients: Iterator[Float[Tensor, "d c b"]], X: Tensor, alpha: Tensor
) -> tuple[Float[Tensor, "d d"], Float[Tensor, "d c"]]:
    """Σ_j A_j A_jᵀ and Σ_j A_j."""
    d, c = X.shape[1], alpha.shape[1]
    total, mean = X.new_zeros(d, d), X.new_zeros(d, c)
    for A in gradients:
        _add_gram(total, A.reshape(d, -1))
        mean += A.sum(2)
    return total.tril() + total.tril(-1).T, mean


def _add_gram(total: Tensor, A: Float[Tensor, "d k"], parts: int = 4) -> None:
    """Add AAᵀ to the lower triangle of `total`, in blocks: 5/8 of the full product's work."""
    d = len(A)
    for part in range(parts):
        low, high = part * d // parts, (part + 1) * d // parts
        total[low:high, :high].addmm_(A[low:high], A[:high].T)


def _closed_form(
    kernel: Kernel,
    Z: Tensor,
    alpha: Tensor,
    M: Tensor | None,
    X: Tensor,
    values: Tensor | None,
    chunk_size: int | None,
    work: Workspace,
) -> tuple[Float[Tensor, "d d"], Float[Tensor, "d c"], float]:
    """Σ_j A_j A_jᵀ and Σ_j A_j without forming any A_j; see the formula in the module docstring.

    Also the trace that the sum must have for its rounding not to matter: it is the rounding of
    Σ_jc (Σ_i |w_ij α_ic|)², all terms that are added and subtracted, over `agop_rounding`;
    infinite where a row has to be taken from differences.
    """
    (n, d), c = Z.shape, alpha.shape[1]
    rows, seen = chunk_size or 512, _Seen.of(kernel, Z, alpha, X)
    total, cross, mean = X.new_zeros(d, d), X.new_zeros(d, d), X.new_zeros(d, c)
    gram = work.empty("slope_gram", n, n, like=X).zero_()
    terms = X.new_zeros(())
    for start, W in _slopes_in_chunks(kernel, Z, M, X, values, max(rows, n)):
        if seen.close(start, W):
            terms += torch.inf
        inputs = seen.X[start : start + W.shape[1]]
        for low in range(0, n, rows):
            high = min(low + rows, n)
            gram[low:high, :high].addmm_(W[low:high], W[:high].T)
        mean += seen.Z.T @ (W.sum(1, keepdim=True) * alpha)
        for low in range(0, W.shape[1], rows):
            terms += (W[:, low : low + rows].abs().T @ alpha.abs()).square().sum()
        if kernel.radial:
            F = W.T @ alpha
            mean -= inputs.T @ F
            total += inputs.T @ (inputs * (F * F).sum(1, keepdim=True))
            for low in range(0, len(inputs), rows):
                part = slice(low, low + rows)
                cross += seen.Z.T @ (((alpha @ F[part].T) * W[:, part]) @ inputs[part])
    total -= cross + cross.T
    # Only the block lower triangle of WWᵀ was formed; what lies left of a diagonal block counts
    # twice, once as itself and once as its mirror image.
    for low in range(0, n, rows):
        high = min(low + rows, n)
        weighted = gram[low:high, :high] * (alpha[low:high] @ alpha[:high].T)
        here, before = seen.Z[low:high], seen.Z[:low]
        left = here.T @ (weighted[:, :low] @ before)
        total += left + left.T + here.T @ (weighted[:, low:] @ here)
    eps = torch.finfo(X.dtype).eps
    rounding = 0.0 if X.is_meta else float(terms) * eps / agop_rounding(X.dtype)
    return total, mean, rounding


def chunk_rows(X: Tensor, numbers_per_row: int, chunk_size: int | None) -> int:
    """Rows per chunk: what stays in a CPU's cache, or enough to keep a GPU busy."""
    if chunk_size is not None:
        return chunk_size
    budget = 8e6 if X.device.type == "cpu" else 256e6
    return max(32, min(256, int(budget / (numbers_per_row * X.element_size()))))
