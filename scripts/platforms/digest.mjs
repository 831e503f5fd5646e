// Prints digests of what each native level answers in hard euclid calls, as JSON: a binary whose flags let the compiler fuse
// multiplications and additions has another one. Runs on Node.js of any platform, in a tree with dist and the binary:
//   node scripts/platforms/digest.mjs [calls a level]
import { createHash } from 'node:crypto';
import { endianness } from 'node:os';
import { getKernels, listKernels } from 'funnelvec/kernels';

const calls = Number(process.argv[2] ?? 1500);
const DIMS = [1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 129];
const COUNTS = [1, 2, 3, 5, 8, 16, 17];

/** Numbers of their own, the same on every engine: integers below 2^32, by xorshift. */
function* integers(seed) {
  let x = seed >>> 0;
  for (;;) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    yield x >>> 0;
  }
}

/** The same on every processor: the lowest byte of each number first. */
function bytesOf({ buffer }) {
  const bytes = Buffer.from(buffer);
  return endianness() === 'LE' ? bytes : bytes.swap64();
}

/** One level's digest. Values have all 24 bits and many exponents, so that every rounding of a sum counts. */
function digestOf(kernels) {
  const hash = createHash('sha256');
  const numbers = integers(0x9e3779b9);
  const next = () => numbers.next().value;
  const value = () => ((next() | 1) - 2 ** 31) * 2 ** (-31 + ((next() >>> 8) % 40) - 20);
  for (let call = 0; call < calls; call++) {
    const dim = DIMS[(next() >>> 4) % DIMS.length];
    const count = COUNTS[(next() >>> 4) % COUNTS.length];
    const query = Float32Array.from({ length: dim }, value);
    const rows = Float32Array.from({ length: dim * count }, (_, i) => {
      // Rows near the query: their differences cancel.
      return next() & 1 ? query[i % dim] * (1 + (next() >>> 12) * 2 ** -40) : value();
    });
    const keys = new Float64Array(count);
    kernels.scores({ metric: 'euclid', query, rows, dim, from: 0, to: dim, keys });
    hash.update(bytesOf(keys));
    const norms = new Float64Array(count);
    kernels.norms({ rows, dim, from: 0, to: dim, norms });
    hash.update(bytesOf(norms));
  }
  return hash.digest('hex');
}

const native = listKernels().filter(({ name, supported }) => supported && name !== 'wasm' && name !== 'js');
const digests = Object.fromEntries(native.map(({ name }) => [name, digestOf(getKernels(name))]));
digests.js = digestOf(getKernels('js'));
process.stdout.write(`${JSON.stringify({ calls, digests })}\n`);
