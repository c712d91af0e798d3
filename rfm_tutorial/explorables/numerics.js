// The package's arithmetic once more, for pages without Python: the same split, solve, AGOP, root
// and measures, for one-hot pairs of digits and p up to about 23. `modulo` and `fixed` come from common.js.
// A matrix is a Float64Array, row after row. Names are those of the package.

class SingularKernelError extends Error {}

// ---- Random numbers, as torch draws them from a seeded generator ------------------------------

// Mersenne Twister (Matsumoto and Nishimura 1998): a function that gives 32 random bits per call.
function randomBits(seed) {
  const state = new Uint32Array(624);
  state[0] = seed >>> 0;
  for (let i = 1; i < 624; i++) {
    state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  }
  let next = 624;
  return () => {
    if (next === 624) {
      for (let i = 0; i < 624; i++) {
        const bits = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
        state[i] = state[(i + 397) % 624] ^ (bits >>> 1) ^ (bits & 1 ? 0x9908b0df : 0);
      }
      next = 0;
    }
    let bits = state[next++];
    bits ^= bits >>> 11;
    bits ^= (bits << 7) & 0x9d2c5680;
    bits ^= (bits << 15) & 0xefc60000;
    return (bits ^ (bits >>> 18)) >>> 0;
  };
}

// torch.randperm(n, generator=torch.Generator().manual_seed(seed))
function randomPermutation(n, seed) {
  const bits = randomBits(seed);
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = 0; i < n - 1; i++) {
    const other = i + (bits() % (n - i));
    [order[i], order[other]] = [order[other], order[i]];
  }
  return order;
}

// torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
function randomNormals(n, seed) {
  const bits = randomBits(seed);
  // 53 random bits: the low 21 of the first number, then all 32 of the second.
  const uniform = () => ((bits() & 0x1fffff) * 2 ** 32 + bits()) * 2 ** -53;
  const values = new Float64Array(n);
  if (n < 16) {
    // Pairs by the method of Box and Muller, one after another.
    for (let i = 0; i < n; i += 2) {
      const angle = 2 * Math.PI * uniform();
      const radius = Math.sqrt(-2 * Math.log1p(-uniform()));
      values[i] = radius * Math.cos(angle);
      if (i + 1 < n) values[i + 1] = radius * Math.sin(angle);
    }
    return values;
  }
  // Sixteen at a time: the first eight give the radii, the others the angles. Where n is no
  // multiple of sixteen, the last sixteen are drawn once more.
  const turn = start => {
    for (let i = start; i < start + 8; i++) {
      const radius = Math.sqrt(-2 * Math.log(1 - values[i]));
      const angle = 2 * Math.PI * values[i + 8];
      values[i] = radius * Math.cos(angle);
      values[i + 8] = radius * Math.sin(angle);
    }
  };
  for (let i = 0; i < n; i++) values[i] = uniform();
  for (let start = 0; start + 16 <= n; start += 16) turn(start);
  if (n % 16) {
    for (let i = n - 16; i < n; i++) values[i] = uniform();
    turn(n - 16);
  }
  return values;
}

// ---- Digits, tables and splits ------------------------------------------------------------------

// base^exponent mod p. The products stay far below 2^53 for the moduli of these pages.
function powerModulo(base, exponent, p) {
  let result = 1;
  for (let i = 0; i < exponent; i++) result = (result * base) % p;
  return result;
}

// The powers g^0, g^1, … g^(p-2) of the smallest primitive root g of a prime p.
function discreteLogOrder(p) {
  for (let g = 1; g < p; g++) {
    const powers = [1];
    while ((powers.at(-1) * g) % p !== 1) powers.push((powers.at(-1) * g) % p);
    if (powers.length === p - 1) return powers;
  }
  throw new RangeError(`p must be prime, got ${p}`);
}

const OPERATIONS = {
  add: { symbol: "a + b", apply: (a, b, p) => (a + b) % p },
  sub: { symbol: "a − b", apply: (a, b, p) => modulo(a - b, p) },
  mul: { symbol: "a · b", apply: (a, b, p) => (a * b) % p },
  div: { symbol: "a ÷ b", apply: (a, b, p) => (a * powerModulo(b, p - 2, p)) % p, skipsZero: true },
};

// ModularTask(operation, p).split(fraction, seed): parts {a, b, labels, n} of digits and classes.
function splitTable(operation, p, fraction, seed) {
  const { apply, skipsZero } = OPERATIONS[operation];
  const pairs = [];
  for (let a = 0; a < p; a++) for (let b = skipsZero ? 1 : 0; b < p; b++) pairs.push([a, b]);
  const nTrain = Math.floor(fraction * pairs.length);
  if (nTrain < 1 || nTrain >= pairs.length) {
    throw new RangeError(`the training fraction leaves a part empty, got ${fraction} of ${pairs.length} pairs`);
  }
  const order = Array.from(randomPermutation(pairs.length, seed), row => pairs[row]);
  const part = rows => ({
    n: rows.length,
    a: Int32Array.from(rows, ([a]) => a),
    b: Int32Array.from(rows, ([, b]) => b),
    labels: Int32Array.from(rows, ([a, b]) => apply(a, b, p)),
  });
  return { p, train: part(order.slice(0, nTrain)), test: part(order.slice(nTrain)) };
}

// ---- Linear algebra -----------------------------------------------------------------------------

function identity(n) {
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) matrix[i * n + i] = 1;
  return matrix;
}

// The product of an n × k and a k × m matrix.
function multiply(A, B, n, k, m) {
  const product = new Float64Array(n * m);
  for (let i = 0; i < n; i++) {
    for (let l = 0; l < k; l++) {
      const factor = A[i * k + l];
      for (let j = 0; j < m; j++) product[i * m + j] += factor * B[l * m + j];
    }
  }
  return product;
}

// The lower Cholesky factor of A + ridge·I. As in the package, a pivot that is zero to working
// precision is an error, and nothing is added to make it go away.
function cholesky(A, n, ridge = 0) {
  const L = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = i * n;
    for (let j = 0; j < i; j++) {
      const other = j * n;
      let sum = A[row + j];
      for (let k = 0; k < j; k++) sum -= L[row + k] * L[other + k];
      L[row + j] = sum / L[other + j];
    }
    const diagonal = A[row + i] + ridge;
    let pivot = diagonal;
    for (let k = 0; k < i; k++) pivot -= L[row + k] ** 2;
    if (!(pivot > 50 * Number.EPSILON * diagonal)) {
      throw new SingularKernelError(
        `the kernel matrix (${n} rows) is singular: the Cholesky pivot of row ${i} is ` +
        `${(pivot / diagonal).toExponential(1)} of its diagonal entry`,
      );
    }
    L[row + i] = Math.sqrt(pivot);
  }
  return L;
}

// Solve L Lᵀ Z = B for an n × c matrix B.
function choleskySolve(L, B, n, c) {
  const Z = Float64Array.from(B);
  const subtract = (i, k, factor) => {
    for (let j = 0; j < c; j++) Z[i * c + j] -= factor * Z[k * c + j];
  };
  const divide = i => {
    for (let j = 0; j < c; j++) Z[i * c + j] /= L[i * n + i];
  };
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) subtract(i, k, L[i * n + k]);
    divide(i);
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) subtract(i, k, L[k * n + i]);
    divide(i);
  }
  return Z;
}

// Eigenvalues of a symmetric matrix, and its eigenvectors in the rows of `vectors`, by Jacobi's
// rotations: slow for large matrices, and hardly to be beaten in accuracy and brevity.
function symmetricEigen(matrix, n) {
  const A = Float64Array.from(matrix);
  const vectors = identity(n);
  const offDiagonal = () => {
    let sum = 0;
    for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) sum += A[i * n + j] ** 2;
    return sum;
  };
  const size = matrix.reduce((sum, value) => sum + value ** 2, 0);
  for (let sweep = 0; sweep < 50 && offDiagonal() > 1e-36 * size; sweep++) {
    for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) rotate(A, vectors, n, i, j);
  }
  return { values: Float64Array.from({ length: n }, (_, i) => A[i * n + i]), vectors };
}

// The rotation of rows and columns i and j that makes the entry (i, j) zero.
function rotate(A, vectors, n, i, j) {
  const entry = A[i * n + j];
  if (entry === 0) return;
  const ratio = (A[j * n + j] - A[i * n + i]) / (2 * entry);
  const tangent = (ratio < 0 ? -1 : 1) / (Math.abs(ratio) + Math.hypot(ratio, 1));
  const cosine = 1 / Math.hypot(tangent, 1);
  const sine = tangent * cosine;
  const turn = (array, first, second) => {
    const x = array[first];
    const y = array[second];
    array[first] = cosine * x - sine * y;
    array[second] = sine * x + cosine * y;
  };
  for (let k = 0; k < n; k++) turn(A, k * n + i, k * n + j);
  for (let k = 0; k < n; k++) turn(A, i * n + k, j * n + k);
  for (let k = 0; k < n; k++) turn(vectors, i * n + k, j * n + k);
  A[i * n + j] = A[j * n + i] = 0;
}

// The symmetric matrix with the same eigenvectors and the eigenvalues f(λ).
function spectralFunction({ values, vectors }, f) {
  const n = values.length;
  const result = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    const value = f(values[k]);
    for (let i = 0; i < n; i++) {
      const factor = value * vectors[k * n + i];
      for (let j = 0; j <= i; j++) result[i * n + j] += factor * vectors[k * n + j];
    }
  }
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) result[j * n + i] = result[i * n + j];
  return result;
}

// The power of a symmetric PSD matrix. Eigenvalues that are negative by rounding count as 0.
function psdPower(matrix, n, power) {
  const eigen = symmetricEigen(matrix, n);
  const lowest = Math.min(...eigen.values);
  const highest = Math.max(...eigen.values);
  if (lowest < -100 * n * Number.EPSILON * Math.max(Math.abs(lowest), Math.abs(highest))) {
    throw new RangeError(`matrix must be positive semidefinite, got an eigenvalue ${lowest}`);
  }
  return spectralFunction(eigen, value => Math.max(value, 0) ** power);
}

// ---- Kernel machines on one-hot pairs -------------------------------------------------------------

// Gaussian kernel exp(-‖x - z‖²_M / 2L²) of every row of `rows` with every row of `centers`. For
// x = e_a ⊕ e_b and z = e_a′ ⊕ e_b′ the distance has three parts: one for the first digits, one for
// the second, one for both.
function gaussianKernel(rows, centers, M, p, bandwidth) {
  const d = 2 * p;
  const digits = start => {
    const table = new Float64Array(p * p);
    for (let i = 0; i < p; i++) {
      for (let j = 0; j < p; j++) {
        const [x, z] = [start + i, start + j];
        table[i * p + j] = M[x * d + x] + M[z * d + z] - 2 * M[x * d + z];
      }
    }
    return table;
  };
  const [first, second] = [digits(0), digits(p)];
  const both = (a, b) => M[a * d + p + b];
  const values = new Float64Array(rows.n * centers.n);
  const scale = -0.5 / bandwidth ** 2;
  for (let i = 0; i < rows.n; i++) {
    const [a, b] = [rows.a[i], rows.b[i]];
    for (let j = 0; j < centers.n; j++) {
      const [c, e] = [centers.a[j], centers.b[j]];
      const cross = both(a, b) - both(a, e) - both(c, b) + both(c, e);
      values[i * centers.n + j] = Math.exp(scale * (first[a * p + c] + second[b * p + e] + 2 * cross));
    }
  }
  return values;
}

function oneHot(labels, p) {
  const Y = new Float64Array(labels.length * p);
  labels.forEach((label, i) => { Y[i * p + label] = 1; });
  return Y;
}

// KernelRidge(GaussianKernel(bandwidth), ridge).fit(X, Y, M), with the kernel matrix it solved.
function fitKernelRidge(train, M, p, bandwidth, ridge = 0) {
  const K = gaussianKernel(train, train, M, p, bandwidth);
  const L = cholesky(K, train.n, ridge);
  const alpha = choleskySolve(L, oneHot(train.labels, p), train.n, p);
  return { train, M, p, bandwidth, K, alpha };
}

// Scores, one row for each row of `part` and one column for each class.
function predict(model, part) {
  const { train, M, p, bandwidth, alpha } = model;
  const K = part === train ? model.K : gaussianKernel(part, train, M, p, bandwidth);
  return multiply(K, alpha, part.n, train.n, p);
}

// Which rows have their largest score at the label; the first of several equal ones counts.
function rightAnswers(scores, labels, p) {
  return Array.from(labels, (label, i) => {
    const row = scores.subarray(i * p, (i + 1) * p);
    return row.indexOf(row.reduce((high, score) => Math.max(high, score))) === label;
  });
}

// accuracy(scores, labels): the share of right answers.
function accuracy(scores, labels, p) {
  return rightAnswers(scores, labels, p).filter(Boolean).length / labels.length;
}

// Mean squared difference of the scores and the one-hot targets, over rows and classes.
function meanSquaredError(scores, labels, p) {
  const Y = oneHot(labels, p);
  return scores.reduce((sum, score, i) => sum + (score - Y[i]) ** 2, 0) / scores.length;
}

// ---- From a kernel machine to its features ----------------------------------------------------------

// predictor_agop: the AGOP over the training rows, each output's mean gradient subtracted first.
// The gradient at row j is M A_j / L² with A_j = Σ_i w_ij (x_i - x_j) α_i, and x_i has two ones, so
// A_j is filled row by row of α. The row's own centre adds nothing, being multiplied by x_j - x_j.
function predictorAgop(model) {
  const { train, M, p, bandwidth } = model;
  const d = 2 * p;
  const { total, mean } = agopSum(model);
  const centered = new Float64Array(d * d);
  const scale = 1 / (train.n * bandwidth ** 4);
  for (let r = 0; r < d; r++) {
    for (let s = 0; s <= r; s++) {
      let product = 0;
      for (let c = 0; c < p; c++) product += mean[r * p + c] * mean[s * p + c];
      centered[r * d + s] = centered[s * d + r] = (total[r * d + s] - product / train.n) * scale;
    }
  }
  return symmetric(multiply(multiply(M, centered, d, d, d), M, d, d, d), d);
}

// Σ_j A_j A_jᵀ (its lower triangle) and Σ_j A_j.
function agopSum({ train, p, K, alpha }) {
  const [n, d] = [train.n, 2 * p];
  const total = new Float64Array(d * d);
  const mean = new Float64Array(d * p);
  const A = new Float64Array(d * p);
  for (let j = 0; j < n; j++) {
    A.fill(0);
    for (let i = 0; i < n; i++) {
      if (i === j) continue;
      const weight = K[j * n + i];
      const [first, second] = [train.a[i] * p, (p + train.b[i]) * p];
      for (let c = 0; c < p; c++) {
        const pull = weight * alpha[i * p + c];
        A[first + c] += pull;
        A[second + c] += pull;
      }
    }
    for (let c = 0; c < p; c++) {
      let own = 0;
      for (let a = 0; a < p; a++) own += A[a * p + c];
      A[train.a[j] * p + c] -= own;
      A[(p + train.b[j]) * p + c] -= own;
    }
    for (let r = 0; r < d; r++) {
      for (let s = 0; s <= r; s++) {
        let product = 0;
        for (let c = 0; c < p; c++) product += A[r * p + c] * A[s * p + c];
        total[r * d + s] += product;
      }
    }
    for (let k = 0; k < d * p; k++) mean[k] += A[k];
  }
  return { total, mean };
}

function symmetric(A, n) {
  return A.map((value, k) => (value + A[(k % n) * n + Math.floor(k / n)]) / 2);
}

// RFM(GaussianKernel(bandwidth)).iterate: step 0, 1, 2 … without end. A page has to draw and to
// answer between two pieces of work: `undefined` comes where only half of a step is done.
function* rfmSteps({ p, train, test }, operation, bandwidth) {
  let M = identity(2 * p);
  for (let iteration = 0; ; iteration++) {
    const model = fitKernelRidge(train, M, p, bandwidth);
    yield undefined;
    const scores = predict(model, test);
    const fitted = predict(model, train);
    const block = circulantBlock(M, p, operation);
    yield {
      iteration,
      featureMatrix: M,
      right: rightAnswers(scores, test.labels, p),
      block,
      trainAccuracy: accuracy(fitted, train.labels, p),
      testAccuracy: accuracy(scores, test.labels, p),
      testLoss: meanSquaredError(scores, test.labels, p),
      deviation: circulantDeviation(block),
    };
    const G = predictorAgop(model);
    yield undefined;
    M = psdPower(G, 2 * p, 0.5);
  }
}

// ---- Circulant blocks --------------------------------------------------------------------------------

// The digits in the rows and in the columns of an arranged block; see rfm_tutorial.circulant.
function arrangement(p, operation) {
  const digits = operation === "mul" || operation === "div"
    ? discreteLogOrder(p)
    : Array.from({ length: p }, (_, i) => i);
  const flipped = operation === "sub" || operation === "div";
  return { rows: digits, columns: flipped ? [...digits].reverse() : digits };
}

// circulant_block: the (a, b) block of M in the order in which the operation is circulant.
function circulantBlock(M, p, operation) {
  const { rows, columns } = arrangement(p, operation);
  return Float64Array.from(rows.flatMap(a => columns.map(b => M[a * 2 * p + p + b])));
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

// block_features: a PSD feature matrix whose arranged block is as near to `block` as can be. There
// it is made of singular values; [[0, C], [Cᵀ, 0]] has them, and their negatives, as eigenvalues.
function blockFeatures(block, p, operation) {
  const { rows, columns } = arrangement(p, operation);
  const n = rows.length;
  const coupled = new Float64Array(4 * n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      coupled[i * 2 * n + n + j] = coupled[(n + j) * 2 * n + i] = block[i * n + j];
    }
  }
  const eigen = symmetricEigen(coupled, 2 * n);
  const mean = eigen.values.reduce((sum, value) => sum + Math.abs(value), 0) / (2 * n);
  if (!(mean > 0)) throw new RangeError("block must not be zero: there is nothing that it could couple");
  const highest = Math.max(...eigen.values) + 0.5 * mean;
  const arranged = spectralFunction(eigen, value => Math.max(value + 0.5 * mean, 0.01 * mean) / highest);
  const digits = [...rows, ...columns.map(b => b + p)];
  const M = new Float64Array(4 * p * p);
  digits.forEach((x, i) => digits.forEach((z, j) => { M[x * 2 * p + z] = arranged[i * 2 * n + j]; }));
  if (n < p) {
    let diagonal = 0;
    for (let i = 0; i < 2 * n; i++) diagonal += arranged[i * 2 * n + i] / (2 * n);
    M[0] = M[p * 2 * p + p] = diagonal;
  }
  return M;
}

// ---- Waves -----------------------------------------------------------------------------------------------

// What frequency k with its mirror p - k adds to the score of each class for the digits a and b:
// cos(2πk (ℓ - a - b) / p) / p, and twice that unless k is its own mirror.
function wave(p, k, sum) {
  const height = (k === 0 || 2 * k === p ? 1 : 2) / p;
  return Float64Array.from({ length: p }, (_, label) => (
    height * Math.cos((2 * Math.PI * modulo(k * (label - sum), p)) / p)
  ));
}

// fourier_multiplication(pairs, p, frequencies=…) for one pair whose digits add up to `sum`.
function fourierScores(p, sum, frequencies) {
  const scores = new Float64Array(p);
  for (const k of frequencies) wave(p, k, sum).forEach((value, label) => { scores[label] += value; });
  return scores;
}

// ---- Words -------------------------------------------------------------------------------------------------

// The same digits as wording.rounded in Python, for numbers that differ by rounding errors, too.
const rounded = (value, digits) => fixed(value + 1e-9, digits);

// "2", "2 and 8", "2, 5 and 8"
function listing(items) {
  return items.length < 2 ? `${items[0]}` : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}
