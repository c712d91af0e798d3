"""Number theory that clocks need: primes, primitive roots, discrete logarithms.

All of it is exact: powers are Python's three-argument pow, products of tensors stay below 2⁶³.
"""

from numbers import Integral

import torch
from jaxtyping import Int
from torch import Tensor

from rfm_tutorial.checks import check_integer, check_memory, shown

_WITNESSES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)


def is_prime(number: int) -> bool:
    """Whether a whole number is prime, by the test of Miller and Rabin.

    Exact below 3.3 · 10²⁴, where the first thirteen primes leave no composite unnoticed (Sorenson
    and Webster, arXiv 1509.00864).

    Examples
    --------
    >>> [n for n in range(20) if is_prime(n)]
    [2, 3, 5, 7, 11, 13, 17, 19]
    """
    if isinstance(number, bool) or not isinstance(number, Integral):
        raise ValueError(f"number must be an integer, got {shown(number)}")
    number = int(number)  # numpy's integers overflow in powers
    if number < 2 or any(number % prime == 0 for prime in _WITNESSES):
        return number in _WITNESSES
    twos = ((number - 1) & (1 - number)).bit_length() - 1
    odd = (number - 1) >> twos
    for witness in _WITNESSES:
        power = pow(witness, odd, number)
        squares = (pow(power, 2**exponent, number) for exponent in range(twos))
        if power != 1 and number - 1 not in squares:
            return False
    return True


def check_prime(name: str, value: int, reason: str) -> int:
    """A prime number; the error names the nearest ones. `reason` says what needs it."""
    value = check_integer(name, value, at_least=2, at_most=10**24)
    if not is_prime(value):
        below = next((n for n in range(value - 1, 1, -1) if is_prime(n)), None)
        above = next(n for n in range(value + 1, 2 * value) if is_prime(n))
        raise ValueError(
            f"{name} must be prime for {reason}, got {value}; "
            f"the nearest primes are {below} and {above}"
        )
    return value


def primitive_root(p: int) -> int:
    """The smallest g whose powers g⁰, g¹, … g^(p−2) mod p are all the non-zero digits.

    g is one exactly if g^((p−1)/q) ≠ 1 for every prime factor q of p − 1. Exact for any prime:
    Python's three-argument pow never overflows. Trial division finds the factors, which is
    quick up to p about 10¹².

    Raises
    ------
    ValueError
        If p is not prime.

    Examples
    --------
    >>> primitive_root(7), primitive_root(41), primitive_root(2_147_483_659)
    (3, 6, 2)
    """
    check_prime("p", p, "a primitive root")
    factors = _prime_factors(p - 1)
    return next(g for g in range(1, p) if _generates(g, p, factors))


def discrete_log_order(p: int, root: int | None = None) -> Int[Tensor, " n"]:
    """The non-zero digits in the order of their discrete logarithm: g⁰, g¹, … g^(p−2) mod p.

    Indexing a vector or matrix with it puts its digits in that order.

    Parameters
    ----------
    p : a prime
    root : the primitive root g; the smallest one if None

    Returns
    -------
    (p − 1,) int64, a permutation of 1 … p − 1.

    Raises
    ------
    ValueError
        If p is not prime or root is not a primitive root of p.

    Examples
    --------
    >>> discrete_log_order(7)
    tensor([1, 3, 2, 6, 4, 5])
    """
    root = primitive_root(p) if root is None else _check_root(root, p)
    check_memory(f"an order of {p - 1} digits", 32.0 * p, "take a smaller prime")
    powers = torch.ones(1, dtype=torch.int64, device="cpu")
    # Doubling: the next powers are these times g^len. Digits below 2³¹ multiply without overflow,
    # and a table of more digits than that fits in no memory.
    while len(powers) < p - 1:
        powers = torch.cat([powers, powers * pow(root, len(powers), p) % p])
    return powers[: p - 1]


def discrete_log_table(p: int, root: int | None = None) -> Int[Tensor, " p"]:
    """The discrete logarithm of each digit: k at position g^k mod p, and −1 for 0, which has none.

    The inverse of `discrete_log_order`. Parameters and errors are those of that function.

    Examples
    --------
    >>> discrete_log_table(7)
    tensor([-1,  0,  2,  1,  4,  5,  3])
    """
    order = discrete_log_order(p, root)
    table = torch.full((p,), -1, dtype=torch.int64, device="cpu")
    table[order] = torch.arange(p - 1, device="cpu")
    return table


def _prime_factors(number: int) -> list[int]:
    """The distinct prime factors of a whole number ≥ 1, by trial division."""
    factors, divisor = [], 2
    while divisor * divisor <= number and not is_prime(number):
        if number % divisor == 0:
            factors.append(divisor)
            while number % divisor == 0:
                number //= divisor
        divisor += 1 if divisor == 2 else 2
    return factors + [number] * (number > 1)


def _generates(candidate: int, p: int, factors: list[int]) -> bool:
    """Whether the powers of a non-zero digit are all of 1 … p − 1, for the factors of p − 1."""
    return all(pow(candidate, (p - 1) // factor, p) != 1 for factor in factors)


def _check_root(root: int, p: int) -> int:
    check_prime("p", p, "a primitive root")
    check_integer("root", root, at_least=1)
    if root % p == 0 or not _generates(root % p, p, _prime_factors(p - 1)):
        raise ValueError(
            f"root must be a primitive root of {p}, got {shown(root)}, whose powers are not all "
            f"the non-zero digits; the smallest primitive root is {primitive_root(p)}"
        )
    return root % p
