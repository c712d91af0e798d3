// Waves over the classes: what rfm_tutorial.fourier does for one pair of digits.

import { modulo } from "./blocks.js";

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

export { fourierScores, wave };
