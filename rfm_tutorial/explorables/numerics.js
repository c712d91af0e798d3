// The package's arithmetic once more, for pages without Python: the same split, solve, AGOP, root
// and measures, for one-hot pairs of digits and p up to about 23. A matrix is a Float64Array, row
// after row. Names are those of the package.

import { OPERATIONS, arrangement, circulantBlock, circulantDeviation } from "./blocks.js";
import { randomPermutation } from "./random.js";

class SingularKernelError extends Error {}

// ---- Tables and splits --------------------------------------------------------------------------

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
      scores,
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

// ---- Features from a block ------------------------------------------------------------------------

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
  for (const [i, x] of digits.entries()) {
    for (const [j, z] of digits.entries()) M[x * 2 * p + z] = arranged[i * 2 * n + j];
  }
  if (n < p) {
    let diagonal = 0;
    for (let i = 0; i < 2 * n; i++) diagonal += arranged[i * 2 * n + i] / (2 * n);
    M[0] = M[p * 2 * p + p] = diagonal;
  }
  return M;
}

export {
  SingularKernelError,
  accuracy,
  blockFeatures,
  cholesky,
  choleskySolve,
  fitKernelRidge,
  identity,
  meanSquaredError,
  predict,
  predictorAgop,
  psdPower,
  rfmSteps,
  rightAnswers,
  splitTable,
  symmetricEigen,
};
