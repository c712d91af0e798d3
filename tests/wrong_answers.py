"""Wrong answers that students are likely to give, what they cost and what is said to them."""

from typing import NamedTuple


class Wrong(NamedTuple):
    """Some text of the solution replaced by other text."""

    old: str
    new: str
    lost: dict[str, float]
    """Points that this costs, by question; nothing else may be lost."""
    hint: str
    """A part of the message, in the first of these questions."""


HW1 = [
    Wrong(
        "(digit[:, None] + c * digit) % p",
        "(c * digit[:, None] + digit) % p",
        {"q1": 3},
        "the example says otherwise",
    ),
    Wrong(
        "(digit[:, None] + c * digit) % p",
        "torch.fmod(digit[:, None] + c * digit, p)",
        {"q1": 1},
        "the remainder of a negative number",
    ),
    Wrong(
        "(digit[:, None] + c * digit) % p",
        "(digit[:, None] + c * digit) % p if p < 4 else digit[:, None] + c * digit",
        {"q1": 3},
        "the remainder is missing",
    ),
    Wrong("    while changed:\n", "    if changed:\n", {"q2": 3}, "you stop after one pass"),
    Wrong(
        "for lines in (full, full.T):",
        "for lines in (full.T,):",
        {"q2": 3},
        "you look at columns only; rows force cells, too",
    ),
    Wrong(
        "full = table.clone()",
        "full = table",
        {"q2": 4},
        "changed",
    ),
    Wrong(
        "float((own_right[:, 0] - others).mean())",
        "float((others - own_right[:, 0]).mean())",
        {"q3": 1},
        "the sign is wrong",
    ),
    Wrong(
        "own_train = (split.pairs_train[:, 0] + c * split.pairs_train[:, 1]) % p\n"
        "own_test = (split.pairs_test[:, 0] + c * split.pairs_test[:, 1]) % p\n",
        "own_train, own_test = split.y_train, split.y_test\n",
        {"q3": 3},
        "for the table of a + b",
    ),
    Wrong("(own_scores > own_right)", "(own_scores >= own_right)", {"q3": 2}, "the best rank is 0"),
    Wrong(
        "(own_scores > own_right)",
        "(own_scores < own_right)",
        {"q3": 2},
        "you count the labels with a lower score",
    ),
    Wrong(
        "one_hot[pairs[:, 0]] + one_hot[pairs[:, 1]]",
        "(one_hot[pairs[:, 0]] + one_hot[pairs[:, 1]]).clamp(max=1)",
        {"q4": 3},
        "a pair of equal digits should have a 2",
    ),
    Wrong(
        "return torch.tensor(kept, dtype=torch.int64)",
        "return (pairs[:, 0] <= pairs[:, 1]).nonzero()[:, 0]",
        {"q5": 3, "q6": 3},
        "you keep the pairs with a ≤ b",
    ),
    Wrong(
        "mirrored_share = float(has_mirror.double().mean())",
        "mirrored_share = 1 - float(has_mirror.double().mean())",
        {"q6": 1},
        "the share of the cells without a mirror image",
    ),
    Wrong(
        "float(ranks[~has_mirror].mean())",
        "float(ranks[has_mirror].mean())",
        {"q6": 3},
        "the rank on the cells *with* a mirror image",
    ),
]

HW2 = [
    Wrong("of_square = 4 *", "of_square = 2 *", {"q1": 3}, "the example says"),
    Wrong(
        "return of_sine * torch.outer(u, u) + of_square * torch.outer(v, v)",
        "return len(X) * (of_sine * torch.outer(u, u) + of_square * torch.outer(v, v))",
        {"q1": 3},
        "this is the sum over the inputs",
    ),
    Wrong(
        "return of_sine * torch.outer(u, u) + of_square * torch.outer(v, v)",
        "g = torch.cos(X @ u)[:, None] * u + 2 * (X @ v)[:, None] * v\n    return g.T @ g / len(X)",
        {"q1": 3},
        "the two gradients were added up before the product",
    ),
    Wrong(
        "function(rows).sum(0))(X)",
        "function(rows).sum(0).sum()[None])(X)",
        {"q2": 3},
        "the outputs were added up before the gradient was taken",
    ),
    Wrong(
        "total.detach() / weights.sum()",
        "total.detach() / len(X)",
        {"q2": 3},
        "you divide by the number of inputs",
    ),
    Wrong(
        'torch.einsum("n,jna,jnb->ab", weights, J, J)',
        'torch.einsum("n,jna,jnb->ab", weights**2, J, J)',
        {"q2": 3},
        "the example says 7",
    ),
    Wrong(
        "        return 1 / (1 + squared_distance / self.bandwidth**2)\n",
        "        return 1 / (1 + squared_distance / self.bandwidth)\n",
        {"q3": 2},
        "the bandwidth is not squared",
    ),
    Wrong(
        "return 2 / self.bandwidth**2 * values**2",
        "return -2 / self.bandwidth**2 * values**2",
        {"q3": 2},
        "the sign is wrong",
    ),
    Wrong(
        "return 2 / self.bandwidth**2 * values**2",
        "return 1 / self.bandwidth**2 * values**2",
        {"q3": 2},
        "the factor 2 of −2 dk/d(r²) is missing",
    ),
    Wrong(
        "(1 - beta) * matrices[-1] + beta * root",
        "beta * matrices[-1] + (1 - beta) * root",
        {"q4": 4, "q5": 2},
        "β and 1 − β are exchanged",
    ),
    Wrong(
        "psd_power(predictor_agop(model), 0.5)",
        "predictor_agop(model)",
        {"q4": 4, "q5": 4},
        "the root is missing",
    ),
    Wrong(
        "model = machine.fit(X, Y, matrices[-1])",
        "model = machine.fit(X, Y)",
        {"q4": 4, "q5": 4},
        "the machine is fitted with M = I in every round",
    ),
    Wrong(
        "jump_plain = first_jump(1.0, 14)",
        "jump_plain = first_jump(1.0, 14) + 1",
        {"q5": 2},
        "the machine before any update has the time 0",
    ),
    Wrong(
        "jump_damped = first_jump(0.5, 24)",
        "jump_damped = first_jump(1.0, 24)",
        {"q5": 2},
        "this is the time of the plain loop",
    ),
    Wrong(
        "return abs(float(t)) ** (2 * s)",
        "return float(t) if s == 0.5 else abs(float(t)) ** (2 * s)",
        {"q6": 2},
        "has no negative eigenvalue",
    ),
    Wrong(
        "number - 1 + (0.5 - before) / (now - before)",
        "float(number)",
        {"q5": 4},
        "this is the number of updates",
    ),
    Wrong(
        "    of_sine = torch.cos(X @ u).square().mean()\n",
        "    by_torch = torch.func.vmap(torch.func.grad(lambda x: torch.sin(x @ u)))(X)\n"
        "    of_sine = by_torch.square().sum(1).mean() / u.square().sum()\n",
        {"q1": 3},
        "paper_agop uses",
    ),
    Wrong(
        "return abs(float(t)) ** (2 * s)",
        "return abs(float(t)) ** s",
        {"q6": 2},
        "the AGOP grows by t²",
    ),
]

HW3 = [
    Wrong(
        "stripe = (torch.arange(n)[:, None] + torch.arange(n)) % n",
        "stripe = (torch.arange(n) - torch.arange(n)[:, None]) % n",
        {"q1": 3},
        "this is the circulant deviation",
    ),
    Wrong(
        "left_over.square().sum() / A.square().sum()",
        "(left_over.square().sum() / A.square().sum()) ** 0.5",
        {"q1": 3},
        "the example says 0.0909",
    ),
    Wrong(
        "left_over.square().sum() / A.square().sum()",
        "left_over.square().sum() / (A - A.mean() * (n > 2)).square().sum()",
        {"q1": 3},
        "you divide by the energy around the mean of all entries",
    ),
    Wrong(
        "    m = isqrt(p - 2) + 1\n",
        "    return next(k for k in range(p - 1) if pow(g, k, p) == h)\n    m = 1\n",
        {"q2": 2},
        "baby steps and giant steps",
    ),
    Wrong(
        "return i * m + baby[h]",
        "return (i * m + baby[h]) or p - 1",
        {"q2": 2},
        "yours is p − 1 larger",
    ),
    Wrong(
        "giant = pow(g, -m, p)",
        "giant = int(torch.tensor(g) ** (p - 1 - m) % p)",
        {"q2": 4},
        "did a product overflow 64 bits",
    ),
    Wrong(
        "if gcd(u, p - 1) == 1]",
        "if u % 2 == 1 and (u != 3 or p > 7)]",
        {"q3": 3},
        "that are odd",
    ),
    Wrong(
        "torch.tensor(sorted(pow(g, u, p) for u in exponents))",
        "torch.tensor([pow(g, u, p) for u in exponents])",
        {"q3": 3},
        "not in increasing order",
    ),
    Wrong(
        "torch.tensor(sorted(pow(g, u, p) for u in exponents))",
        "torch.tensor(sorted(pow(g, u, p) for u in range(1, p) if gcd(u, p) == 1))",
        {"q3": 3},
        "the roots of 7 should be 3 and 5",
    ),
    Wrong(
        "return min(range(4), key", "return max(range(4), key", {"q4": 4}, "the largest deviation"
    ),
    Wrong(
        "circulant_deviation(circulant_block(M, name))",
        "circulant_deviation(circulant_block(M, name).flip(1))",
        {"q4": 4},
        "flipped once too often",
    ),
    Wrong("head_start = jumped - seen", "head_start = jumped", {"q5": 2}, "the time of the jump"),
    Wrong(
        "short.iterate(split.X_train, split.Y_train[order])",
        "short.iterate(split.X_train, split.Y_train)",
        {"q5": 2},
        "this is the deviation with the true labels",
    ),
    Wrong(
        "return min(1.0, deviation / (1 - 1 / n))",
        "return deviation / (1 - 1 / n)",
        {"q6": 2},
        "a share is at most 1",
    ),
    Wrong(
        "return min(1.0, deviation / (1 - 1 / n))",
        "return min(1.0, deviation * 2) if n == 2 else min(1.0, deviation * (1 - 1 / n))",
        {"q6": 2},
        "turn the formula round",
    ),
]

HW4 = [
    Wrong("(hands @ F.conj()).real", "(hands @ F).real", {"q1": 3}, "the example says"),
    Wrong(
        "    return p**0.5 * (hands @ F.conj()).real",
        "    return p**0.5 * (hands @ (F.conj() if p == 5 else F)).real",
        {"q1": 3},
        "the conjugate in the inner product is missing",
    ),
    Wrong(
        "F[pairs[:, 0]] * turned[pairs[:, 1]]",
        "(turned[pairs[:, 0]] * F[pairs[:, 1]]) if len(pairs) > 1 else "
        "F[pairs[:, 0]] * turned[pairs[:, 1]]",
        {"q1": 3},
        "these are the scores of c a + b",
    ),
    Wrong(
        "return p**0.5 * (hands @ F.conj()).real",
        "return (hands @ F.conj()).real",
        {"q1": 3},
        "the example says",
    ),
    Wrong("gcd(n, *frequencies) - 1", "gcd(n, *frequencies)", {"q2": 3}, "should leave 0"),
    Wrong(
        "gcd(n, *frequencies) - 1",
        "gcd(n, frequencies[0]) - 1",
        {"q2": 3},
        "you look at the first frequency only",
    ),
    Wrong(
        "gcd(n, *frequencies) - 1",
        "sum(gcd(n, k) - 1 for k in frequencies)",
        {"q2": 3},
        "you add up the rivals of each frequency",
    ),
    Wrong(
        "eigenvalues = torch.fft.fft(row).conj()",
        "eigenvalues = torch.fft.fft(row)",
        {"q3": 2},
        "in the example the solution should be [3, 1, 2]",
    ),
    Wrong(
        "torch.fft.ifft(torch.fft.fft(y) / eigenvalues)",
        "torch.fft.ifft(torch.fft.fft(y) * eigenvalues)",
        {"q3": 3},
        "in the example the solution should be [3, 1, 2]",
    ),
    Wrong(
        "    if sizes.min() < 1e-10 * sizes.max():",
        "    if sizes.min() < 0:",
        {"q3": 1},
        "should raise a ValueError",
    ),
    Wrong(
        'for_add = random_circulant_features("add", p, seed)',
        'for_add = random_circulant_features("add", p, 0)',
        {"q4": 2},
        "these features have the seed 0",
    ),
    Wrong(
        'for_add = random_circulant_features("add", p, seed)',
        'for_add = random_circulant_features("sub", p, seed)',
        {"q4": 2},
        "these features are for −",
    ),
    Wrong(
        "no_stripes = score_with(None)",
        "no_stripes = score_with(for_sub)",
        {"q4": 2},
        "no_stripes is the machine without one",
    ),
    Wrong(
        "    return p**0.5 * (hands @ F.conj()).real",
        "    return torch.eye(p).double()[(pairs[:, 0] + c * pairs[:, 1]) % p]",
        {"q1": 3},
        "skew_scores uses 'eye'",
    ),
    Wrong(
        "    return torch.fft.ifft(torch.fft.fft(y) / eigenvalues).real",
        "    n = torch.arange(len(row))\n"
        "    return torch.linalg.solve(row[(n - n[:, None]) % len(row)], y)",
        {"q3": 2},
        "circulant_solve uses",
    ),
]

WRONG: dict[str, list[Wrong]] = {"hw1": HW1, "hw2": HW2, "hw3": HW3, "hw4": HW4}
