"""The algebra behind `rfm_tutorial.orbit_rfm`: a kernel machine on whole diagonals of a table.

Call the hours of a cell's two digits i and j; its label stands at i + j. A cell is named by
H = i − j, its diagonal, and U = i + j, its place on it. Both count modulo N, but with U modulo 2N
and U ≡ H (mod 2) halves never occur: i = (U + H)/2 and j = (U − H)/2. (For odd N, where H and
H + N are the same diagonal, the even one of the two is taken.) Two symmetries keep every diagonal:

turning    (i, j) → (i + t, j + t)   moves U by 2t, and the label by as much
mirroring  (i, j) → (−j, −i)         takes U to −U

So every matrix between cells is a function of (H, H′, U′ − U) which is even in its last argument,
and the cosine transform Σ_T f(T) cos(πkT/N) makes of it one *real symmetric* block per frequency
k = 0 … N/2. Feature matrices have the blocks A and D = A, circulant and symmetric, and C:

    xᵀMz = a((T + H′ − H)/2) + a((T − H′ + H)/2) + c((T − H − H′)/2) + c((−T − H − H′)/2)

with T = U′ − U. On waves of the frequency w in both digits M acts as a 2 × 2 matrix. It is real if
the two coordinates are the sum and the difference of the digits' waves, see `Features`.

Outputs. α of the label ℓ is α of another label, turned. For odd N all labels are one orbit, for
even N the even and the odd ones are two: `n_kinds` kinds of right-hand sides instead of N.

Gradients. Let Ŵ(q) be the block of the derivative weights, α̂ the coefficients, F̂(q) = Ŵ(q) α̂(q).
Over all cells of a diagonal H the transformed gradient, before M, is at the frequencies q of the
cell and w of the input

    (cosine, sine) part = Σ_H′ Ŵ(q)_HH′ α̂_H′(q + w) trig(πwH′/N) − [radial] trig(πwH/N) F̂_H(q + w)

and the AGOP is the sum of its squares: no digits cancel, and it is one matrix product for each q.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rfm_tutorial.distances import ROUNDINGS
from rfm_tutorial.kernels import InnerProductKernel, RadialKernel

OneNumberKernel = RadialKernel | InnerProductKernel
"""A kernel of the squared distance, or of the product."""
CACHED = 2**17
"""How many numbers of an array stay near the processor between two passes over it; measured."""

Function = Callable[[Tensor], Tensor]
"""Values from squared distances or products, as the `profile` and `slope` of kernels."""


@dataclass(frozen=True, eq=False)
class Waves:
    """Cosines for a clock of N hours, in one dtype on one device.

    Parameters
    ----------
    n_hours : N
    like : an empty tensor of the dtype and device
    numbers : how many numbers temporary arrays may hold
    """

    n_hours: int
    like: Tensor
    numbers: int

    @property
    def n_kinds(self) -> int:
        """How many kinds of labels there are, and of differences: even and odd ones, or one."""
        return 2 - self.n_hours % 2

    @property
    def n_frequencies(self) -> int:
        """Of k and −k only one: 0 … N/2."""
        return self.n_hours // 2 + 1

    def range(self, *bounds: int) -> Int[Tensor, " n"]:
        """`torch.arange` on the device."""
        return torch.arange(*bounds, device=self.like.device)

    def names(self, differences: Int[Tensor, " m"]) -> Int[Tensor, " m"]:
        """The number H of some diagonals."""
        H = differences.to(self.like.device)
        return H if self.n_kinds == 2 else H + self.n_hours * (H % 2)

    def places(self, kind: int) -> Int[Tensor, " t"]:
        """The T ≥ 0 of one kind: with −T, all of them modulo 2N."""
        return self.range(kind, self.n_hours + 1, 2)

    def cosines(
        self, steps: Int[Tensor, " a"], others: Int[Tensor, " b"], plus: int = 0, turn: int = 0
    ) -> Float[Tensor, "a b"]:
        """cos(2π (step · other + plus) / turn), with a turn of 2N if none is given."""
        turn = turn or 2 * self.n_hours
        angle = ((steps[:, None] * others + plus) % turn).double()  # exact, however large
        return (angle * (2 * torch.pi / turn)).cos().to(self.like.dtype)

    @cached_property
    def frequency_weights(self) -> Float[Tensor, " f"]:
        """How often a frequency occurs modulo N: k and −k are two, unless they are one."""
        k = self.range(self.n_frequencies)
        return (2.0 - ((2 * k) % self.n_hours == 0).double()).to(self.like.dtype)

    def place_weights(self, kind: int) -> Float[Tensor, " t"]:
        """How often a T occurs modulo 2N: T and −T are two, unless they are one."""
        T = self.places(kind)
        return (2.0 - (T % self.n_hours == 0).double()).to(self.like.dtype)

    @cached_property
    def forward(self) -> list[Float[Tensor, "f t"]]:
        """From values at the places of each kind to frequencies."""
        k = self.range(self.n_frequencies)
        return [
            self.cosines(k, self.places(kind)) * self.place_weights(kind)
            for kind in range(self.n_kinds)
        ]

    @cached_property
    def backward(self) -> list[Float[Tensor, "f t"]]:
        """And back."""
        k, each = self.range(self.n_frequencies), self.frequency_weights[:, None] / self.n_hours
        return [self.cosines(k, self.places(kind)) * each for kind in range(self.n_kinds)]

    def rows(self, width: int) -> int:
        """How many rows of some width temporary arrays may have."""
        return max(1, self.numbers // max(1, width))


@dataclass(frozen=True, eq=False)
class Features:
    """A feature matrix with circulant blocks, by its waves.

    Parameters
    ----------
    waves : of the clock
    blocks : (N/2 + 1, 2, 2), symmetric: [[â + Re ĉ, Im ĉ], [Im ĉ, â − Re ĉ]] with the discrete
        Fourier transforms â and ĉ of the first rows of the blocks A and C
    """

    waves: Waves
    blocks: Float[Tensor, "f 2 2"]

    @cached_property
    def rows(self) -> Float[Tensor, "2 N"]:
        """a and c, the first rows of A and C in the order of hours."""
        (top, mixed), (_, bottom) = self.blocks.movedim(0, -1)
        c = torch.complex((top - bottom) / 2, mixed)
        rows = torch.stack([((top + bottom) / 2).to(c.dtype), c])
        return torch.fft.irfft(rows, n=self.waves.n_hours)

    def own(self, H: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """xᵀMx of a cell on each of some diagonals."""
        a, c = self.rows
        return 2 * (a[0] + c[-H % self.waves.n_hours])

    @cached_property
    def tables(self) -> list[tuple[Float[Tensor, "N t"], Float[Tensor, "N t"]]]:
        """For each kind of T the two halves of xᵀMz: one by (H′ − H) // 2, one by (H + H′) // 2."""
        N, (a, c) = self.waves.n_hours, self.rows
        half = self.waves.range(N)[:, None]
        tables = []
        for kind in range(self.waves.n_kinds):
            T = self.waves.places(kind)
            ahead, behind = (T - kind) // 2 - half, -((T + kind) // 2) - half
            tables.append((a[-behind % N] + a[ahead % N], c[ahead % N] + c[behind % N]))
        return tables


class Pairs(NamedTuple):
    """Pairs of diagonals whose blocks are wanted."""

    left: Int[Tensor, " P"]
    right: Int[Tensor, " P"]


def values_of_pairs(
    kernel: OneNumberKernel,
    function: Function,
    M: Features,
    pairs: Pairs,
    without_own: bool = False,
) -> Iterator[tuple[int, Int[Tensor, " c"], Float[Tensor, "c t"]]]:
    """Kernel values, or their weights, in chunks: kind, numbers of the pairs, values at T ≥ 0.

    `without_own` counts the value of a cell with itself as 0.
    """
    waves = M.waves
    sizes = M.own(pairs.left), M.own(pairs.right)
    for kind, (turned, mirrored) in enumerate(M.tables):
        ours = ((pairs.right - pairs.left) % 2 == kind).nonzero()[:, 0]
        for chosen in ours.split(waves.rows(turned.shape[1])) if len(ours) else ():
            H, other = pairs.left[chosen], pairs.right[chosen]
            same = other == H
            values = turned[(other - H) % (2 * waves.n_hours) // 2]
            values += mirrored[(other + H) % (2 * waves.n_hours) // 2]
            if kernel.radial:
                size = (sizes[0][chosen] + sizes[1][chosen])[:, None]
                values.mul_(-2).add_(size)
                # What is not above rounding counts as the distance 0.
                rounding = ROUNDINGS * torch.finfo(values.dtype).eps * size
                values.masked_fill_(values <= rounding, 0.0)
                values[same, :1] = 0.0
            values = function(values)
            if without_own:
                values[same, :1] = 0.0
            yield kind, chosen, values


def transform_pairs(
    kernel: OneNumberKernel,
    function: Function,
    M: Features,
    pairs: Pairs,
    out: Float[Tensor, "f P"],
    without_own: bool = False,
) -> Float[Tensor, "f P"]:
    """The cosine transforms of `values_of_pairs`, into `out`."""
    for kind, chosen, values in values_of_pairs(kernel, function, M, pairs, without_own):
        out[:, chosen] = M.waves.forward[kind] @ values.T
    return out


class Blocks:
    """The m × m blocks of all frequencies, real and symmetric: only one of (j, j′) and (j′, j) is
    held.

    Parameters
    ----------
    waves : of the clock
    H : the diagonals, (m,)
    """

    def __init__(self, waves: Waves, H: Int[Tensor, " m"]) -> None:
        m, device = len(H), waves.like.device
        self.waves, self.H = waves, H
        row, column = torch.triu_indices(m, m, device=device)
        self.pairs = Pairs(H[row], H[column])
        place = torch.zeros(m, m, dtype=torch.int64, device=device)
        place[row, column] = place[column, row] = waves.range(len(row))
        self.place = place.view(-1)
        self.packed = waves.like.new_empty(waves.n_frequencies, len(row))

    def of(self, frequencies: slice) -> Float[Tensor, "b m m"]:
        """Those of some frequencies."""
        m, packed = len(self.H), self.packed[frequencies]
        if packed.device.type != "cpu":
            return packed[:, self.place].view(-1, m, m)
        # A row stays in the processor's cache: three times as fast as all of them at once.
        blocks = packed.new_empty(len(packed), m * m)
        for row, block in zip(packed, blocks, strict=True):
            torch.index_select(row, 0, self.place, out=block)
        return blocks.view(-1, m, m)

    def chunks(self, matrices: int) -> Iterator[slice]:
        """Frequencies in parts, as many as temporary arrays of so many matrices each allow."""
        step = self.waves.rows(matrices * self.place.numel())
        for start in range(0, self.waves.n_frequencies, step):
            yield slice(start, min(start + step, self.waves.n_frequencies))


def targets(waves: Waves, H: Int[Tensor, " m"]) -> Float[Tensor, "f m k"]:
    """Transforms of the targets of label 0, and 1 if that is another kind, seen from the label."""
    k, kinds = waves.range(waves.n_frequencies), waves.range(waves.n_kinds)
    # A label is at U = ℓ and at U = ℓ + N, and for even N on the diagonals of its own kind only.
    diagonals = (H[:, None] - kinds) % waves.n_kinds == 0
    frequencies = k % waves.n_kinds == 0
    here = frequencies[:, None, None] & diagonals
    return here.to(waves.like.dtype) * waves.n_kinds


def coefficients_everywhere(
    waves: Waves, H: Int[Tensor, " m"], alpha: Float[Tensor, "f m k"], length: int
) -> Float[Tensor, "m k length"]:
    """α̂ at 0, n_kinds, 2 n_kinds, …; between these it is 0. It is even, and of period N but for a
    sign."""
    period = waves.n_hours // waves.n_kinds
    i = waves.range(length)
    turns, i = i // period, i % period
    mirrored = 2 * i > period
    i = torch.where(mirrored, period - i, i)
    odd = (H[:, None] - waves.range(waves.n_kinds)) % waves.n_kinds
    flips = (turns + mirrored) % 2
    sign = 1 - 2 * (odd[:, :, None] * flips).to(alpha.dtype)
    return alpha[i * waves.n_kinds].movedim(0, -1) * sign


class GradientSum(NamedTuple):
    """What the AGOP is made of, before M on both sides, by waves as `Features.blocks` are."""

    total: Float[Tensor, "f 2 2"]
    """Σ A Aᵀ over all cells and outputs."""
    mean: Float[Tensor, "f 2 2"]
    """n Σ Ā Āᵀ over all outputs: what centering took away, or 0 without it."""


def gradient_sum(
    weights: Blocks, alpha: Float[Tensor, "f m k"], radial: bool, center: bool
) -> GradientSum:
    """Both sums; the formula stands in the module's first lines.

    Only q = 0 … N/2 are looked at: −q at w is the mirror image of q at −w.
    """
    waves, H, N = weights.waves, weights.H, weights.waves.n_hours
    m, step = len(H), waves.n_kinds
    at = waves.range(N)
    sines = waves.cosines(2 * H, at, -N, 4 * N)
    trig = torch.stack([waves.cosines(2 * H, at, 0, 4 * N), sines], 1)
    length = waves.n_frequencies + N // step
    shifted = coefficients_everywhere(waves, H, alpha, length)
    slopes = torch.zeros_like(alpha)
    for part in weights.chunks(2) if radial else ():
        torch.bmm(weights.of(part), alpha[part], out=slopes[part])
    slopes = coefficients_everywhere(waves, H, slopes, length)
    total, mean = alpha.new_zeros(3, N), alpha.new_zeros(3, N)
    # α̂ is 0 at the frequencies q + w between multiples of n_kinds.
    for first in range(step):
        wave = trig[:, None, :, first::step]
        width = wave.shape[-1]
        windows, own = (
            sequence[:, :, first:].unfold(2, width, 1).movedim(2, 0)[:, :, :, None]
            for sequence in (shifted, slopes)
        )
        q = range(first, waves.n_frequencies, step)
        chunk = min(len(q), max(1, CACHED // (m * 2 * step * width)))
        # Made once: fresh memory costs as much as the arithmetic on it.
        buffers = [alpha.new_empty(chunk, m, step, 2, width) for _ in range(3)]
        for start in range(0, len(q), chunk):
            part = slice(start, min(start + chunk, len(q)))
            numbers = q[part]
            right, parts, scratch = (buffer[: len(numbers)] for buffer in buffers)
            W = weights.of(slice(numbers[0], numbers[-1] + 1, step))
            torch.mul(windows[part], wave, out=right)
            torch.mul(own[part], wave, out=parts)
            flat = parts.view(len(numbers), m, -1)
            torch.baddbmm(flat, W, right.view(flat.shape), beta=-1, out=flat)
            for frequency, number in enumerate(numbers):
                if 2 * number % N == 0:  # −q is q itself
                    parts[frequency] *= 0.5**0.5
                if number == 0 and center:
                    middle = parts[frequency].mean(0, keepdim=True)
                    parts[frequency] -= middle
                    mean[:, first::step] += m * _squares(middle, torch.empty_like(middle))
            total[:, first::step] += _squares(parts.flatten(0, 1), scratch.flatten(0, 1))
    return GradientSum(*(_as_blocks(waves, sums / (N * step)) for sums in (total, mean)))


def _squares(
    parts: Float[Tensor, "n k 2 w"], scratch: Float[Tensor, "n k 2 w"]
) -> Float[Tensor, "3 w"]:
    """Σ cosine², Σ cosine · sine, Σ sine²."""
    cosine, sine = torch.mul(parts, parts, out=scratch).sum((0, 1))
    mixed = torch.mul(parts[:, :, 0], parts[:, :, 1], out=scratch[:, :, 0]).sum((0, 1))
    return torch.stack([cosine, mixed, sine])


def _as_blocks(waves: Waves, sums: Float[Tensor, "3 N"]) -> Float[Tensor, "f 2 2"]:
    """Add the mirror image; twice, since the waves of both digits are cosine ± i sine."""
    w = waves.range(waves.n_frequencies)
    mirrored = sums[:, -w % waves.n_hours] * sums.new_tensor([[1.0], [-1.0], [1.0]])
    cosine, mixed, sine = 2 * (sums[:, : len(w)] + mirrored)
    mixed = mixed.masked_fill(2 * w % waves.n_hours == 0, 0.0)
    return torch.stack([cosine, mixed, mixed, sine], 1).view(-1, 2, 2)


def scores_from_label(
    kernel: OneNumberKernel,
    M: Features,
    centers: Int[Tensor, " m"],
    alpha: Float[Tensor, "f m k"],
    H: Int[Tensor, " t"],
) -> Float[Tensor, "t N"]:
    """Predictions on diagonals: entry V is the score, in a cell of label ℓ, of the label ℓ − V."""
    waves, f = M.waves, M.waves.n_frequencies
    scores = alpha.new_empty(len(H), waves.n_hours)
    for chosen in waves.range(len(H)).split(waves.rows(2 * f * len(centers))):
        some = H[chosen]
        pairs = Pairs(some.repeat_interleave(len(centers)), centers.repeat(len(some)))
        blocks = transform_pairs(
            kernel, kernel.profile, M, pairs, alpha.new_empty(f, len(pairs.left))
        )
        scores[chosen] = by_label(waves, some, torch.bmm(blocks.view(f, len(some), -1), alpha))
    return scores


def by_label(
    waves: Waves, H: Int[Tensor, " t"], sums: Float[Tensor, "f t k"]
) -> Float[Tensor, "t N"]:
    """Back from transforms to functions on diagonals, as seen from a cell's own label: entry V is
    what belongs to the label ℓ − V."""
    scores, V = sums.new_empty(len(H), waves.n_hours), waves.range(waves.n_hours)
    for kind in range(waves.n_kinds):
        # Where V is of this kind, the label is of the kind H − kind.
        of_label = ((H - kind) % waves.n_kinds).expand(len(sums), -1)
        places = sums.gather(2, of_label[:, :, None])[:, :, 0].T @ waves.backward[kind]
        here = V[kind :: waves.n_kinds]
        # For odd N an odd V is at the even N − V: functions are even, and of period 2N.
        back = (waves.n_kinds == 1) & (here % 2 == 1)
        scores[:, here] = places[:, torch.where(back, waves.n_hours - here, here) // 2]
    return scores
