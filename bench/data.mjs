// Made-up rows with the shape of Matryoshka embeddings: early dims carry more, and rows gather around topics.
// Seeded, so that every run and every contender has the same ones.

/** Uniform in [0, 1). */
export function uniform(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let bits = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
    return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal: a sum of twelve uniforms is near enough here. */
function normal(random) {
  return () => {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += random();
    return sum;
  };
}

function spectrum(dim) {
  return Float64Array.from({ length: dim }, (_, i) => 1 / Math.sqrt(1 + i / 96));
}

/** `count × dim` values of any kind, for kernels whose time does not depend on them. */
export function noise(length, seed = 1) {
  const block = Math.min(length, 1 << 16);
  const random = normal(uniform(seed));
  const values = new Float32Array(length);
  for (let i = 0; i < block; i++) values[i] = random();
  for (let at = block; at < length; at += block) values.set(values.subarray(0, Math.min(block, length - at)), at);
  return values;
}

/** One query and `count` candidates from near to far, all of them exact in float16. */
export function candidateSet({ count, dim, seed = 7 }) {
  const random = uniform(seed);
  const gauss = normal(random);
  const scale = spectrum(dim);
  const query = Float32Array.from(scale, (s) => s * gauss());
  const rows = new Float32Array(count * dim);
  for (let row = 0; row < count; row++) {
    const near = 0.2 + 0.8 * random();
    for (let i = 0; i < dim; i++) rows[row * dim + i] = near * query[i] + (1 - 0.6 * near) * scale[i] * gauss();
  }
  return { query: rounded(query), rows: rounded(rows) };
}

const rounded = (values) => Float32Array.from(toHalf(values), fromHalf);

/** A collection and queries for it: a query is a row moved away from its place. */
export function collection({ count, queries, dim, seed = 11 }) {
  const random = uniform(seed);
  const gauss = normal(random);
  const scale = spectrum(dim);
  const topics = Array.from({ length: Math.ceil(count / 500) }, () => Float32Array.from(scale, (s) => s * gauss()));
  const rows = new Float32Array(count * dim);
  for (let row = 0; row < count; row++) {
    const topic = topics[Math.floor(random() * topics.length)];
    for (let i = 0; i < dim; i++) rows[row * dim + i] = topic[i] + 0.8 * scale[i] * gauss();
  }
  const asked = new Float32Array(queries * dim);
  for (let q = 0; q < queries; q++) {
    const row = Math.floor(random() * count);
    for (let i = 0; i < dim; i++) asked[q * dim + i] = rows[row * dim + i] + 0.8 * scale[i] * gauss();
  }
  return { rows, queries: asked };
}

/** float32 → float16 bits, nearest; numbers below the normal range become 0. */
export function toHalf(values) {
  const bits = new Uint32Array(new Float32Array(values).buffer);
  const halves = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const sign = (bits[i] >>> 16) & 0x8000;
    const half = ((bits[i] & 0x7fffffff) - 0x38000000 + 0x1000) >> 13;
    halves[i] = half < 0x400 ? sign : sign | Math.min(half, 0x7bff);
  }
  return halves;
}

/** float16 bits → number. */
export function fromHalf(half) {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
