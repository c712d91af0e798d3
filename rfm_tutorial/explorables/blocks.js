// The four operations, and the order of digits in which the block of each is circulant. A matrix is
// a Float64Array, row after row. Names are those of the package.

const modulo = (a, n) => ((a % n) + n) % n;

// The powers g^0, g^1, … modulo a prime p, until the next one is 1 again. The products stay far
// below 2^53 for the moduli of these pages.
function powersOf(g, p) {
  const powers = [1];
  for (let power = g % p; power > 1 && powers.length < p; power = (power * g) % p) powers.push(power);
  return powers;
}

// discrete_log_order: the powers of the smallest primitive root of p.
function discreteLogOrder(p) {
  for (let g = 1; g < p; g++) {
    const powers = powersOf(g, p);
    if (powers.length === p - 1) return powers;
  }
  throw new RangeError(`p must be prime, got ${p}`);
}

// b^(p-2), the inverse of b modulo a prime p.
function inverse(b, p) {
  let result = 1;
  for (let i = 0; i < p - 2; i++) result = (result * b) % p;
  return result;
}

const LOGARITHMS = "the digits but 0 in the order of their discrete logarithm";

// What a∘b is; whether it skips the pairs with b = 0; how its block is arranged, and that in words.
const OPERATIONS = {
  add: { apply: (a, b, p) => (a + b) % p, order: "digits in natural order" },
  sub: {
    apply: (a, b, p) => modulo(a - b, p),
    flipped: true,
    order: "columns from the last digit to the first",
  },
  mul: { apply: (a, b, p) => (a * b) % p, logarithms: true, order: LOGARITHMS },
  div: {
    apply: (a, b, p) => (a * inverse(b, p)) % p,
    skipsZero: true,
    logarithms: true,
    flipped: true,
    order: `${LOGARITHMS}, columns last first`,
  },
};

// The digits in the rows and in the columns of an arranged block; see rfm_tutorial.circulant.
function arrangement(p, operation) {
  const { logarithms, flipped } = OPERATIONS[operation];
  const rows = logarithms ? discreteLogOrder(p) : Array.from({ length: p }, (_, i) => i);
  return { rows, columns: flipped ? [...rows].reverse() : rows };
}

// The entries of a matrix with `width` columns in these rows and columns.
function submatrix(entries, width, rows, columns) {
  return Float64Array.from(rows.flatMap(i => columns.map(j => entries[i * width + j])));
}

// circulant_block: the (a, b) block of M in the order in which the operation is circulant.
function circulantBlock(M, p, operation) {
  const { rows, columns } = arrangement(p, operation);
  return submatrix(M, 2 * p, rows, columns.map(b => p + b));
}

// circulant_matrix: entry (i, j) is row[(j - i) mod n].
function circulantMatrix(row) {
  const n = row.length;
  return Float64Array.from({ length: n * n }, (_, k) => row[modulo((k % n) - Math.floor(k / n), n)]);
}

// circulant_deviation: 0 for circulant, near 1 for noise, NaN for a block of zeros.
function circulantDeviation(block) {
  const n = Math.round(Math.sqrt(block.length));
  let [spread, total] = [0, 0];
  for (let shift = 0; shift < n; shift++) {
    let mean = 0;
    for (let i = 0; i < n; i++) mean += block[i * n + ((i + shift) % n)] / n;
    for (let i = 0; i < n; i++) {
      const value = block[i * n + ((i + shift) % n)];
      spread += (value - mean) ** 2;
      total += value ** 2;
    }
  }
  return spread / total;
}

export {
  OPERATIONS,
  arrangement,
  circulantBlock,
  circulantDeviation,
  circulantMatrix,
  discreteLogOrder,
  modulo,
  powersOf,
  submatrix,
};
