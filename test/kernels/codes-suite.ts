/** The conformance suite of the code kernels. Every backend runs it, against the contract written a second time. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadAddon } from '#dist/kernels/addon.js';
import { BIT_QUERY_MAX, CODE_KERNEL_NAMES, type CodeKernels, HEAD_QUERY_MAX } from '#dist/kernels/codes.js';
import { Random, SEED } from '../random.js';
import { type CodeCase, outputsOf, randomCodeCase, runCodeOracle } from './codes-cases.js';

/** Bytes behind the begin of a cache line. Where no pointer can be asked for: of the offset, in memory that begins at a page. */
function behindLine({ name }: CodeKernels, memory: Uint8Array): number {
  if (name === 'wasm' || name === 'js') return memory.byteOffset % 64;
  const common = loadAddon().common as unknown as { behindLine(memory: Uint8Array): number };
  return common.behindLine(memory);
}

export function codeKernelSuites(backends: readonly CodeKernels[], { cases = 20_000 } = {}): void {
  let failures: Map<string, unknown> | undefined;
  for (const kernels of backends) {
    codeKernelSuite(kernels, cases, () => {
      failures ??= failuresOf(backends, cases);
      if (failures.has(kernels.name)) throw failures.get(kernels.name);
    });
  }
}

/** The first failure of each backend in random calls. They are made, and the oracle asked, once for all backends. */
function failuresOf(backends: readonly CodeKernels[], cases: number): Map<string, unknown> {
  const failures = new Map<string, unknown>();
  const random = new Random(SEED);
  const all = backends.map((kernels) => ({ arena: new Arena(kernels, 4 * 2 ** 20), places: new Random(SEED) }));
  for (let i = 0; i < cases; i++) {
    const theirs = randomCodeCase(random);
    const attempt = <T>({ name }: CodeKernels, work: () => T): T | undefined => {
      try {
        return failures.has(name) ? undefined : work();
      } catch (error) {
        failures.set(name, error);
        return undefined;
      }
    };
    const calls = all.map(({ arena, places }) =>
      attempt(arena.kernels, () => callOn(arena.kernels, theirs, arena.reset(places))),
    );
    const want = askOracle(theirs);
    for (const call of calls) {
      if (call) attempt(call.kernels, () => assertCall(call, theirs, want, `case ${i}, seed ${SEED}`));
    }
  }
  for (const { arena } of all) arena.release();
  return failures;
}

function codeKernelSuite(kernels: CodeKernels, cases: number, assertRandomCalls: () => void): void {
  describe(`code kernels: ${kernels.name}`, () => {
    it('has every kernel of the contract', () => {
      for (const name of CODE_KERNEL_NAMES) assert.equal(typeof kernels[name], 'function', name);
    });

    it(`equals the oracle bit for bit in ${cases} random calls (seed ${SEED})`, assertRandomCalls);

    it('finds the best of many, whatever their order', () => {
      const random = new Random(SEED);
      const count = 800;
      const most = 16 * count;
      const orders: Record<string, (v: number) => number> = {
        random: () => random.int(-1e6, 1e6),
        'random with ties': () => random.int(0, 50),
        ascending: (v) => v,
        descending: (v) => -v,
        equal: () => 3,
        'the least there is': () => -(2 ** 31),
        'some above the least there is': (v) => (v % 9999 === 0 ? v : -(2 ** 31)),
        'ascending then equal': (v) => Math.min(v, most / 2),
        'a saw': (v) => v % 1000,
        'the best in every eighth block': (v) => ((v >> 4) % 8 === 0 ? v : -1 - v),
        'the worst in every eighth block': (v) => ((v >> 4) % 8 === 0 ? -1 - v : v),
        'few above zero': (v) => (v % 50 === 0 ? most - v : -1 - (v % 999)),
      };
      const arena = new Arena(kernels, 2 ** 20);
      for (const [name, dot] of Object.entries(orders)) {
        for (const k of [1, 64, 5000, most]) {
          const room = Math.min(k, most);
          const task = {
            dots: Int32Array.from({ length: most }, (_, v) => dot(v)),
            blocks: Uint32Array.from({ length: count }, (_, b) => count - 1 - b),
            count,
            mask: new Uint16Array(count).fill(k === 64 ? 0xfffe : 0xffff),
            k,
            rows: new Uint32Array(room),
            best: new Int32Array(room),
          };
          assertSameCode(kernels, { kernel: 'topDots', task }, arena.reset(random), `${name}, k ${k}`);
        }
      }
      arena.release();
    });

    it('finds the best of some, when it has to sort out several times', () => {
      const random = new Random(SEED);
      const arena = new Arena(kernels, 2 ** 18);
      for (let i = 0; i < 300; i++) {
        const count = random.int(50, 150);
        const k = random.int(1, 130);
        const spread = random.pick([30, 1e6]);
        const task = {
          dots: Int32Array.from({ length: 16 * count }, () => random.int(-spread, spread)),
          blocks: Uint32Array.from({ length: count }, (_, b) => b),
          count,
          mask: Uint16Array.from({ length: count }, () => random.pick([0xffff, random.int(0, 0xffff)])),
          k,
          rows: new Uint32Array(k),
          best: new Int32Array(k),
        };
        assertSameCode(kernels, { kernel: 'topDots', task }, arena.reset(random), `case ${i}`);
      }
      arena.release();
    });

    it('prunes a visit and listed rows, of many', () => {
      const random = new Random(SEED);
      const [count, dims, queries] = [1500, 64, 3];
      const n = 16 * count;
      const arena = new Arena(kernels, 8 * 2 ** 20);
      const bytes = (length: number) => Uint8Array.from({ length }, () => random.int(0, 255));
      const blocks = Uint32Array.from({ length: count }, (_, b) => b);
      const head = {
        plane: bytes(n * (dims / 2)),
        dims,
        blocks,
        count,
        query: Int16Array.from({ length: queries * dims }, () => random.int(-8191, 8191)),
        queries,
        dots: new Int32Array(queries * n),
      };
      assertSameCode(kernels, { kernel: 'headDots', task: head }, arena.reset(random), 'headDots');
      runCodeOracle({ kernel: 'headDots', task: head });
      for (const metric of ['cosine', 'dot', 'euclid'] as const) {
        const bound = {
          metric,
          error: bytes(n),
          errorScale: 1e-4,
          tail: bytes(n),
          tailScale: 1e-3,
          constant: 0.01,
          norms: metric === 'cosine' ? new Float32Array(0) : random.vector(n).map(Math.abs),
          twoQuery: 1.9,
          threshold: 0.6,
        };
        const visit = {
          dots: head.dots.slice(0, n),
          scale: 1e-6,
          blocks,
          count,
          mask: new Uint16Array(count).fill(65_535),
        };
        const out = { rows: new Uint32Array(n), kept: new Int32Array(n), estimates: new Float64Array(n) };
        const task = { ...visit, bound, ...out };
        assertSameCode(kernels, { kernel: 'pruneVisit', task }, arena.reset(random), metric);
        const rest = {
          rows: Uint32Array.from({ length: n }, (_, r) => r),
          count: n,
          estimates: Float64Array.from({ length: n }, () => random.gaussian()),
          dots: visit.dots,
          scale: 1e-7,
          bound,
        };
        assertSameCode(kernels, { kernel: 'pruneRows', task: rest }, arena.reset(random), metric);
      }
      arena.release();
    });

    it('projects many rows of many dims', () => {
      const random = new Random(SEED);
      const arena = new Arena(kernels, 4 * 2 ** 20);
      for (const [count, dim, width] of [
        [70, 384, 66],
        [5, 1536, 129],
        [1, 3000, 1],
      ] as const) {
        const task = {
          rows: random.vector(count * dim),
          count,
          dim,
          basis: random.vector(dim * width),
          width,
          out: new Float64Array(count * width),
        };
        assertSameCode(kernels, { kernel: 'project', task }, arena.reset(random), `${count} × ${dim} × ${width}`);
      }
      arena.release();
    });

    it('finds the nearest of many columns', () => {
      const random = new Random(SEED);
      const arena = new Arena(kernels, 4 * 2 ** 20);
      for (const [count, dim, width] of [
        [500, 130, 66],
        [7, 1536, 129],
        [1, 3000, 1],
      ] as const) {
        const task = {
          rows: random.vector(count * dim),
          places: Uint32Array.from({ length: count }, (_, i) => count - 1 - i),
          count,
          dim,
          basis: random.vector(dim * width),
          width,
          offsets: Float64Array.from(random.vector(width)),
          names: Uint32Array.from({ length: width }, (_, i) => 7 * i),
          best: new Float64Array(count).fill(Number.NEGATIVE_INFINITY),
          found: new Uint32Array(count),
        };
        assertSameCode(kernels, { kernel: 'nearest', task }, arena.reset(random), `${count} × ${dim} × ${width}`);
      }
      arena.release();
    });

    it('reads back what it encoded, as near as half a step', () => {
      const random = new Random(SEED);
      const [count, dims] = [48, 40];
      const values = inMemory(
        kernels,
        Float64Array.from({ length: count * dims }, () => random.next() * 255),
      );
      const zeros = (n: number) => inMemory(kernels, new Float64Array(n));
      const ones = () => zeros(dims).fill(1);
      const quantiser = { base: zeros(dims), step: ones(), inverse: ones() };
      const head = kernels.allocate(count * (dims / 2));
      const fine = kernels.allocate(count * (dims / 2));
      const errors = { coarseError: zeros(count), fineError: zeros(count) };
      kernels.encodeHead({
        values,
        count,
        stride: dims,
        offset: 0,
        dims,
        ...quantiser,
        first: 0,
        head,
        fine,
        ...errors,
      });
      // The dot product with a unit vector is the code of one dim.
      const rows = inMemory(
        kernels,
        Uint32Array.from({ length: count }, (_, r) => r),
      );
      const blocks = inMemory(kernels, Uint32Array.of(0, 1, 2));
      const query = inMemory(kernels, new Int16Array(dims));
      const high = inMemory(kernels, new Int32Array(count));
      const low = inMemory(kernels, new Int32Array(count));
      for (let i = 0; i < dims; i++) {
        query.fill(0)[i] = 1;
        kernels.headDots({ plane: head, dims, blocks, count: 3, query, queries: 1, dots: high });
        kernels.rowDots({ plane: fine, bits: 4, stride: dims / 2, dims, rows, count, query, dots: low });
        for (let r = 0; r < count; r++) {
          assert.ok(Math.abs(16 * high[r]! + low[r]! - values[r * dims + i]!) <= 0.5, `row ${r}, dim ${i}`);
        }
      }
    });

    it('sums as many dims as there may be, all at their most', () => {
      const random = new Random(SEED);
      const arena = new Arena(kernels, 4 * 2 ** 20);
      const blocks = Uint32Array.of(1, 0);
      const ones = (n: number) => new Uint8Array(n).fill(0xff);
      for (const sign of [1, -1]) {
        const dots = () => new Int32Array(32);
        const head = { plane: ones(2 * 8192 * 8), dims: 8192, blocks, count: 2, queries: 1, dots: dots() };
        const query = new Int16Array(8192).fill(sign * HEAD_QUERY_MAX);
        assertSameCode(kernels, { kernel: 'headDots', task: { ...head, query } }, arena.reset(random), 'headDots');
        const bits = { plane: ones(2 * 65_536 * 2), dims: 65_536, blocks, count: 2, dots: dots() };
        const few = new Int16Array(65_536).fill(sign * BIT_QUERY_MAX);
        assertSameCode(kernels, { kernel: 'bitDots', task: { ...bits, query: few } }, arena.reset(random), 'bitDots');
      }
      arena.release();
    });

    it('allocates zeroed, aligned, shared memory that overlaps nothing, again after releases', () => {
      const random = new Random(SEED);
      const held: { memory: Uint8Array; mark: number }[] = [];
      for (let i = 0; i < 3000; i++) {
        if (held.length > 0 && random.chance(held.length / 60)) {
          const [{ memory, mark }] = held.splice(random.int(0, held.length - 1), 1) as [(typeof held)[0]];
          assert.ok(
            memory.every((byte) => byte === mark),
            'someone else wrote into it',
          );
          kernels.release(memory);
          continue;
        }
        const bytes = random.pick([0, 1, 63, 64, 65, random.int(0, 5000), random.int(0, 60_000)]);
        const memory = kernels.allocate(bytes);
        assert.equal(memory.byteLength, bytes);
        assert.equal(behindLine(kernels, memory), 0, 'not aligned');
        assert.ok(memory.buffer instanceof SharedArrayBuffer);
        assert.ok(
          memory.every((byte) => byte === 0),
          'not zeroed',
        );
        const mark = random.int(1, 255);
        held.push({ memory: memory.fill(mark), mark });
      }
      for (const { memory } of held) kernels.release(memory);
    });
  });
}

type TypedArray = Uint8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

/** A copy in a backend's memory. */
export function inMemory<T extends TypedArray>(kernels: CodeKernels, array: T): T {
  const { buffer, byteOffset } = kernels.allocate(array.byteLength);
  const Type = array.constructor as new (buffer: ArrayBufferLike, at: number, length: number) => T;
  const copy = new Type(buffer, byteOffset, array.length);
  copy.set(array as never);
  return copy;
}

/** Canaries between everything. */
const CANARY = 0xa5;
const GUARD = 64;

/** One block of a backend's memory, for the arrays of one call after another. */
export class Arena {
  #memory: Uint8Array;
  #top = 0;
  #guards: [number, number][] = [];
  #random = new Random(SEED);

  constructor(
    readonly kernels: CodeKernels,
    bytes: number,
  ) {
    this.#memory = kernels.allocate(bytes);
  }

  reset(random: Random): this {
    this.#top = 0;
    this.#guards = [];
    this.#random = random;
    return this;
  }

  release(): void {
    this.kernels.release(this.#memory);
  }

  /** A copy within, at any offset; blocks of a head plane keep their alignment. */
  place<T extends TypedArray>(array: T, name: string): T {
    const size = array.BYTES_PER_ELEMENT;
    const isHead = name === 'plane' || name === 'head';
    const from = this.#top;
    const gap = from + GUARD + (isHead ? 0 : this.#random.int(0, 31) * size);
    const at = isHead ? Math.ceil(gap / 64) * 64 : Math.ceil(gap / size) * size;
    this.#guard(from, at);
    const Type = array.constructor as new (buffer: ArrayBufferLike, at: number, length: number) => T;
    const copy = new Type(this.#memory.buffer, this.#memory.byteOffset + at, array.length);
    copy.set(array as never);
    this.#top = at + array.byteLength;
    return copy;
  }

  /** Behind the last. */
  close(): void {
    this.#guard(this.#top, this.#top + GUARD);
  }

  canariesAlive(): boolean {
    return this.#guards.every(([from, to]) => this.#memory.subarray(from, to).every((byte) => byte === CANARY));
  }

  #guard(from: number, to: number): void {
    if (to > this.#memory.length) throw new Error('The test arena is too small');
    this.#memory.fill(CANARY, from, to);
    this.#guards.push([from, to]);
  }
}

/** Runs a call on the backend's memory (without an arena: on ordinary memory), and demands what the oracle writes. */
export function assertSameCode(kernels: CodeKernels, theirs: CodeCase, arena: Arena | undefined, what: string): void {
  const call = callOn(kernels, theirs, arena);
  assertCall(call, theirs, askOracle(theirs), what);
}

/** A call that a backend has made, on copies of the arrays. */
interface Call {
  kernels: CodeKernels;
  arena: Arena | undefined;
  task: object;
  got: unknown;
}

function callOn(kernels: CodeKernels, theirs: CodeCase, arena: Arena | undefined): Call {
  const task = withCopies(theirs, (array, name) => arena?.place(array, name) ?? (array.slice() as typeof array));
  arena?.close();
  return { kernels, arena, task, got: (kernels[theirs.kernel] as (task: unknown) => unknown)(task) };
}

/** Has the oracle write into the arrays of the call, its outputs alone. Returns what the kernel has to return. */
function askOracle(theirs: CodeCase): number | undefined {
  const before = arraysOf(theirs).map(({ array }) => array.slice());
  const want = runCodeOracle(theirs);
  const outputs = outputsOf(theirs.kernel);
  arraysOf(theirs).forEach(({ name, array }, i) => {
    if (!outputs.includes(name)) assertBytes(array, before[i]!, () => `the oracle writes into ${name}`);
  });
  return want;
}

function assertCall({ kernels, arena, task, got }: Call, theirs: CodeCase, want: unknown, what: string): void {
  const where = () => `${kernels.name} ${theirs.kernel}, ${what}, ${shape(theirs)}`;
  if (!Object.is(got, want)) assert.fail(`${where()}: returned ${got}, the oracle ${want}`);
  if (arena && !arena.canariesAlive()) assert.fail(`${where()}: wrote outside of its outputs`);
  const mine = arraysOf({ kernel: theirs.kernel, task } as unknown as CodeCase);
  const outputs = outputsOf(theirs.kernel);
  arraysOf(theirs).forEach(({ name, array }, i) => {
    // Where a list comes out shorter, only its first entries are promised.
    const defined = outputs.includes(name) && want !== undefined ? (want as number) : array.length;
    assertBytes(mine[i]!.array.subarray(0, defined), array.subarray(0, defined), () => `${where()}: ${name}`);
  });
}

/** The task with other arrays in place of its own, those of its bound included; chunks may lie anywhere. */
function withCopies({ task }: CodeCase, copy: <T extends TypedArray>(array: T, name: string) => T): object {
  const copyAll = (object: object): object =>
    Object.fromEntries(
      Object.entries(object).map(([name, value]) => {
        if (ArrayBuffer.isView(value)) return [name, copy(value as TypedArray, name)];
        return [name, name === 'bound' ? copyAll(value as object) : value];
      }),
    );
  return copyAll(task);
}

function arraysOf({ task }: CodeCase): { name: string; array: TypedArray }[] {
  const list = (object: object, prefix: string): { name: string; array: TypedArray }[] =>
    Object.entries(object).flatMap(([name, value]) => {
      if (ArrayBuffer.isView(value)) return [{ name: prefix + name, array: value as TypedArray }];
      return name === 'bound' ? list(value as object, 'bound.') : [];
    });
  return list(task, '');
}

function assertBytes(got: TypedArray, want: TypedArray, what: () => string): void {
  const bytes = (a: TypedArray) => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
  if (Buffer.compare(bytes(got), bytes(want)) === 0) return;
  const i = want.findIndex((value, at) => !Object.is(value, got[at]));
  assert.fail(`${what()}[${i}] is ${got[i]}, the oracle has ${want[i]}`);
}

function shape({ task }: CodeCase): string {
  const tell = (object: object): string =>
    Object.entries(object)
      .map(([name, v]) => {
        if (ArrayBuffer.isView(v)) return `${name}:${v.constructor.name}(${(v as Uint8Array).length})`;
        return name === 'bound' ? `bound={ ${tell(v as object)} }` : `${name}=${v}`.slice(0, 60);
      })
      .join(' ');
  return tell(task);
}
