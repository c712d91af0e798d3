// Random numbers, as torch draws them from a seeded generator.

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

export { randomNormals, randomPermutation };
