/** Walks the table of odd inputs in docs/funnel.md: every row is shown to hold, and no row lacks its case. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import {
  type CandidateRow,
  FunnelError,
  type FunnelErrorCode,
  funnel,
  funnelAsync,
  funnelBatch,
  funnelPlan,
  listKernels,
  type Plan,
  useKernels,
} from 'funnelvec';
import { Random, SEED } from '../random.js';

const DIM = 16;
const COUNT = 12;
const plan: Plan = { scales: [4, 10], keep: 0.5, limit: 2 }; // dims 10 to 15 are never read

const rows = (): { id: number; vector: number[] }[] => {
  const random = new Random(SEED);
  return Array.from({ length: COUNT }, (_, id) => ({ id, vector: Array.from(random.vector(DIM)) }));
};
const packed = () => ({ vectors: Float32Array.from(rows().flatMap((row) => row.vector)), dim: DIM });
const query = () => new Random(1).vector(DIM);

function broken(change: (r: { id: unknown; vector: unknown[] }[]) => void): never {
  const r = rows();
  change(r as never);
  return r as never;
}

function fails(code: FunnelErrorCode, message: RegExp, run: () => unknown): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof FunnelError, `threw ${error}`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
}

const BAD = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

const cases: Record<string, () => unknown> = {
  'NaN or ±Infinity in the query'() {
    for (const bad of BAD) {
      for (const at of [0, DIM - 1]) {
        const q = query();
        q[at] = bad;
        const message = new RegExp(`finite float32 for dim ${at} of query but received ${bad}`);
        fails('NOT_FINITE', message, () => funnel(rows(), q, plan));
        fails('NOT_FINITE', message, () => funnel(rows(), Array.from(q), plan));
      }
    }
  },
  'NaN or ±Infinity in a row, whether or not a stage would read it'() {
    for (const bad of BAD) {
      for (const row of [0, 5, COUNT - 1]) {
        for (const dim of [0, 7, 10, DIM - 1]) {
          const message = new RegExp(`dim ${dim} of row ${row} .*received ${bad}`);
          const candidates = broken((r) => {
            r[row]!.vector[dim] = bad;
            for (const one of r) one.id = `#${one.id}`;
          });
          fails('NOT_FINITE', message, () => funnel(candidates, query(), plan));
          fails('NOT_FINITE', message, () => funnel(candidates, query(), plan, { explain: true }));
          fails('NOT_FINITE', /requests\[1\]: /, () =>
            funnelBatch(
              [
                { candidates: rows(), query: query() },
                { candidates, query: query() },
              ],
              plan,
            ),
          );
          const matrix = packed();
          matrix.vectors[row * DIM + dim] = bad;
          fails('NOT_FINITE', new RegExp(`dim ${dim} of row ${row} `), () => funnel(matrix, query(), plan));
          const half = new Uint16Array(COUNT * DIM).fill(0x3c00);
          half[row * DIM + dim] = 0x7c00;
          fails('NOT_FINITE', new RegExp(`dim ${dim} of row ${row} `), () =>
            funnel({ vectors: half, dim: DIM }, query(), plan),
          );
        }
      }
    }
  },
  'a number too large for float32'() {
    fails('NOT_FINITE', /dim 3 of row 2/, () =>
      funnel(
        broken((r) => (r[2]!.vector[3] = 1e39)),
        query(),
        plan,
      ),
    );
    const q = Array.from(query());
    q[5] = -1e300;
    fails('NOT_FINITE', /dim 5 of query but received -1e\+300/, () => funnel(rows(), q, plan));
  },
  'null, undefined or a string inside a vector'() {
    for (const bad of [null, undefined, '1', 1n, {}]) {
      fails('NOT_FINITE', /dim 9 of row 4/, () =>
        funnel(
          broken((r) => (r[4]!.vector[9] = bad)),
          query(),
          plan,
        ),
      );
      const q = Array.from(query()) as unknown[];
      q[2] = bad;
      fails('NOT_FINITE', /dim 2 of query/, () => funnel(rows(), q as number[], plan));
    }
  },
  'a query of zeros, cosine or dot'() {
    for (const metric of ['cosine', 'dot'] as const) {
      fails('ZERO_QUERY', /direction/, () => funnel(rows(), new Float32Array(DIM), { ...plan, metric }));
    }
  },
  'a query of zeros, euclid'() {
    assert.equal(funnel(rows(), new Float32Array(DIM), { ...plan, metric: 'euclid' }).length, 2);
  },
  'a query of another length than the rows'() {
    for (const length of [DIM - 1, DIM + 1]) {
      fails('BAD_DIMS', /16 dims for query/, () => funnel(rows(), new Float32Array(length).fill(1), plan));
    }
  },
  'ragged rows'() {
    fails('BAD_DIMS', /16 dims for row 7/, () =>
      funnel(
        broken((r) => r[7]!.vector.pop()),
        query(),
        plan,
      ),
    );
    fails('BAD_DIMS', /16 dims for row 3/, () =>
      funnel(
        broken((r) => r[3]!.vector.push(1)),
        query(),
        plan,
      ),
    );
  },
  'a matrix that is not a multiple of dim'() {
    const vectors = new Float32Array(DIM * COUNT - 1);
    fails('BAD_DIMS', /multiple of dim \(16\)/, () => funnel({ vectors, dim: DIM }, query(), plan));
  },
  'no dims, or more than 65,536'() {
    for (const dim of [0, 65_537, 1.5, '3', undefined]) {
      fails('BAD_DIMS', /1 to 65536/, () =>
        funnel({ vectors: new Float32Array(0), dim: dim as number }, query(), plan),
      );
    }
    fails('BAD_DIMS', /1 to 65536/, () => funnel([], [], plan));
    fails('BAD_DIMS', /row 0/, () => funnel([{ id: 1, vector: [] }], query(), plan));
    fails('BAD_DIMS', /row 0/, () => funnel([{ id: 1, vector: new Float32Array(65_537) }], query(), plan));
  },
  'no scales'() {
    for (const scales of [[], undefined, 16, null]) {
      fails('BAD_PLAN', /scales/, () => funnel(rows(), query(), { ...plan, scales: scales as never }));
    }
  },
  'scales out of order or repeated'() {
    fails('BAD_PLAN', /scales\[1\]/, () => funnel(rows(), query(), { ...plan, scales: [10, 4] }));
    fails('BAD_PLAN', /scales\[2\]/, () => funnel(rows(), query(), { ...plan, scales: [4, 8, 8] }));
  },
  'a scale beyond the dims, of 0, or fractional'() {
    fails('BAD_PLAN', /in 1\.\.16/, () => funnel(rows(), query(), { ...plan, scales: [4, 17] }));
    for (const bad of [0, -1, 2.5, Number.NaN, '4']) {
      fails('BAD_PLAN', /scales\[0\]/, () => funnel(rows(), query(), { ...plan, scales: [bad as number, 16] }));
    }
  },
  'keep of 0, negative, above 1 or NaN'() {
    for (const bad of [0, -0.5, 1.01, 64, Number.NaN, '0.5', null, undefined, {}, { count: 0 }, { count: 1.5 }]) {
      fails('BAD_PLAN', /keep/, () => funnel(rows(), query(), { ...plan, keep: bad as number }));
      fails('BAD_PLAN', /keep\[1\]/, () => funnel(rows(), query(), { ...plan, keep: [1, bad as number] }));
    }
    fails('BAD_PLAN', /\{ count: 64 \}/, () => funnel(rows(), query(), { ...plan, keep: 64 }));
  },
  'keep rules that are not one per scale'() {
    for (const keep of [[], [0.5], [0.5, 0.5, 0.5]]) {
      fails('BAD_PLAN', /one rule per scale \(2\)/, () => funnel(rows(), query(), { ...plan, keep }));
    }
  },
  'an unknown metric'() {
    fails('BAD_PLAN', /cosine, dot, euclid/, () => funnel(rows(), query(), { ...plan, metric: 'l2' as never }));
  },
  'an option that does not exist, such as `top`'() {
    fails('BAD_PLAN', /limit/, () => funnel(rows(), query(), { ...plan, top: 3 } as never));
    fails('BAD_ARGUMENT', /explian/, () => funnel(rows(), query(), plan, { explian: true } as never));
    fails('BAD_ARGUMENT', /vector/, () =>
      funnel({ vector: packed().vectors, vectors: packed().vectors, dim: DIM } as never, query()),
    );
    fails('BAD_ARGUMENT', /boolean for explain/, () => funnel(rows(), query(), plan, { explain: 'no' } as never));
    fails('BAD_ARGUMENT', /options/, () => funnelPlan(64, null as never));
    fails('BAD_ARGUMENT', /heads/, () => funnelPlan(64, { heads: 3 } as never));
    fails('BAD_PLAN', /a plan/, () => funnel(rows(), query(), null as never));
  },
  'a limit of 0, negative or fractional'() {
    for (const limit of [0, -1, 2.5, Number.NaN, '3']) {
      fails('BAD_PLAN', /limit/, () => funnel(rows(), query(), { ...plan, limit: limit as number }));
      fails('BAD_ARGUMENT', /limit/, () => funnel(rows(), query(), plan, { limit: limit as number }));
      fails('BAD_PLAN', /for limit/, () => funnelPlan(64, { limit: limit as number }));
    }
  },
  'a head of 0, negative, fractional or beyond the dims'() {
    for (const head of [0, -1, -0.5, 0.3, 1.5, 65, Number.NaN, '8', null]) {
      fails('BAD_PLAN', /head/, () => funnelPlan(64, { head: head as number }));
      if (head !== null) fails('BAD_PLAN', /head/, () => funnel(rows(), query(), { ...plan, head: head as number }));
    }
  },
  'a detached buffer, or one made smaller than its view'() {
    const detach = <T extends { buffer: ArrayBufferLike }>(view: T): T => {
      structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
      return view;
    };
    fails('DETACHED_BUFFER', /query/, () => funnel(rows(), detach(query()), plan));
    fails('DETACHED_BUFFER', /candidates.vectors/, () =>
      funnel({ vectors: detach(packed().vectors), dim: DIM }, query()),
    );
    fails('DETACHED_BUFFER', /row 1/, () =>
      funnel(
        broken((r) => (r[1]!.vector = detach(query()) as never)),
        query(),
      ),
    );
    assert.deepEqual(funnel({ vectors: new Float32Array(0), dim: DIM }, query()), []);
    // Lists beside the vectors, too, also where they claim to be as long as before.
    for (const name of ['ids', 'payloads', 'rows'] as const) {
      for (const list of [new Int32Array(COUNT), new BigInt64Array(COUNT)]) {
        const gone = Object.defineProperty(detach(list), 'length', { value: COUNT });
        const given = { ...packed(), [name]: gone } as never;
        for (const run of [
          () => funnel(given, query(), plan),
          () => funnelBatch([{ candidates: given, query: query() }], plan),
        ]) {
          assert.throws(run, (error: unknown) => {
            assert.ok(error instanceof FunnelError, `threw ${error}`);
            assert.match(error.message, new RegExp(`candidates\\.${name}`));
            return error.code === 'DETACHED_BUFFER' || error.code === 'BAD_ARGUMENT';
          });
        }
      }
    }
    const Resizable = ArrayBuffer as unknown as new (
      length: number,
      options: { maxByteLength: number },
    ) => ArrayBuffer & { resize(length: number): void };
    const buffer = new Resizable(64, { maxByteLength: 64 });
    const vectors = new Float32Array(buffer, 0, 16);
    buffer.resize(8);
    fails('DETACHED_BUFFER', /made smaller/, () => funnel({ vectors, dim: DIM }, query()));
  },
  'a typed array of integers, a Buffer, a DataView'() {
    for (const bad of [
      new Uint8Array(DIM),
      new Int8Array(DIM),
      Buffer.alloc(DIM * 4),
      new DataView(new ArrayBuffer(64)),
    ]) {
      fails('BAD_ARGUMENT', /candidates.vectors/, () => funnel({ vectors: bad as never, dim: DIM }, query(), plan));
      fails('BAD_ARGUMENT', /query/, () => funnel(rows(), bad as never, plan));
      fails('BAD_ARGUMENT', /row 0/, () => funnel([{ id: 1, vector: bad as never }], query(), plan));
    }
    // Float16 bits are welcome as a matrix only: there they are known for what they are.
    fails('BAD_ARGUMENT', /row 0/, () => funnel([{ id: 1, vector: new Uint16Array(DIM) as never }], query(), plan));
    fails('BAD_ARGUMENT', /query/, () => funnel(rows(), new Uint16Array(DIM) as never, plan));
    const foreign = runInNewContext('[Float32Array, Uint16Array]') as [typeof Float32Array, typeof Uint16Array];
    const { vectors } = packed();
    assert.deepEqual(
      funnel({ vectors: new foreign[0](vectors), dim: DIM }, new foreign[0](query()), plan),
      funnel({ vectors, dim: DIM }, query(), plan),
    );
    const half = new Uint16Array(DIM * 3).fill(0x3c00);
    assert.equal(funnel({ vectors: new foreign[1](half), dim: DIM }, query(), plan).length, 2);
  },
  'ids of mixed kinds, or only some rows with an id'() {
    fails('BAD_ID', /ids\[2\]/, () =>
      funnel(
        broken((r) => (r[2]!.id = '2')),
        query(),
        plan,
      ),
    );
    fails('BAD_ID', /ids\[2\]/, () =>
      funnel(
        broken((r) => (r[2]!.id = undefined)),
        query(),
        plan,
      ),
    );
    fails('BAD_ID', /ids\[0\]/, () =>
      funnel(
        broken((r) => (r[0]!.id = undefined)),
        query(),
        plan,
      ),
    );
    const ids = Array.from({ length: COUNT }, (_, i) => (i === 5 ? 5n : i));
    fails('BAD_ID', /ids\[5\]/, () => funnel({ ...packed(), ids }, query(), plan));
    fails('BAD_ID', /string, number or bigint/, () =>
      funnel(
        broken((r) => r.map((row) => (row.id = {}))),
        query(),
        plan,
      ),
    );
  },
  'number ids beyond 2^53 − 1, or fractional'() {
    for (const bad of [2 ** 53, -(2 ** 53), 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      fails('BAD_ID', /bigint or string/, () =>
        funnel(
          broken((r) => (r[6]!.id = bad)),
          query(),
          plan,
        ),
      );
    }
  },
  'fewer ids than rows'() {
    fails('BAD_ARGUMENT', /one per vector \(12\) for candidates.ids/, () =>
      funnel({ ...packed(), ids: [1, 2] }, query(), plan),
    );
    for (const ids of [null, 'ab'.repeat(6), 7]) {
      fails('BAD_ARGUMENT', /candidates.ids/, () => funnel({ ...packed(), ids: ids as never }, query(), plan));
    }
    fails('BAD_ARGUMENT', /candidates.payloads/, () => funnel({ ...packed(), payloads: [] }, query(), plan));
  },
  'candidates that are neither rows nor a matrix'() {
    for (const bad of [null, undefined, 3, 'rows', {}, new Map(), () => {}]) {
      fails('BAD_ARGUMENT', /candidates/, () => funnel(bad as never, query(), plan));
    }
    for (const bad of [null, 3, 'x']) {
      fails('BAD_ARGUMENT', /row 1/, () => funnel([rows()[0]!, bad] as never, query(), plan));
      fails('BAD_ARGUMENT', /candidates.vectors/, () => funnel({ vectors: bad as never, dim: DIM }, query(), plan));
      fails('BAD_ARGUMENT', /query/, () => funnel(rows(), bad as never, plan));
    }
    const named = [{ id: 1, vector: { head: [1], full: [1, 2] } }];
    fails('BAD_ARGUMENT', /fromQdrant/, () => funnel(named as never, query(), plan));
    fails('BAD_ARGUMENT', /an array/, () => funnelBatch(3 as never));
    fails('BAD_ARGUMENT', /requests\[0\]/, () => funnelBatch([null as never]));
  },
  'an empty set'() {
    assert.deepEqual(funnel([], query(), plan), []);
    assert.deepEqual(funnel({ vectors: new Float32Array(0), dim: DIM }, query()), []);
    assert.deepEqual(funnel([], query(), plan, { explain: true }).hits, []);
    fails('BAD_PLAN', /scales/, () => funnel([], query(), { ...plan, scales: [17] }));
  },
  'a zero row'() {
    const zero = broken((r) => r.map((row) => (row.vector = new Array(DIM).fill(0))));
    for (const hit of funnel(zero, query(), plan)) assert.ok(Object.is(hit.score, 0));
  },
  'a zero prefix of a row'() {
    const candidates = broken((r) => r[3]!.vector.fill(0, 0, 4));
    const { stages } = funnel(candidates, query(), { scales: [4, 16], keep: [{ count: 1 }, 1] }, { explain: true });
    const standing = stages[0]!.dropped.find((one) => one.id === 3);
    assert.ok(Object.is(standing?.score, 0));
    assert.notEqual(funnel(candidates, query(), { scales: [16], keep: 1 }).find((hit) => hit.id === 3)!.score, 0);
  },
  'a zero prefix of the query'() {
    const q = query();
    q.fill(0, 0, 4);
    const { stages, hits } = funnel(rows(), q, { scales: [4, 16], keep: [{ count: 3 }, 1] }, { explain: true });
    assert.deepEqual(
      stages[0]!.dropped.map((one) => one.index),
      [3, 4, 5, 6, 7, 8, 9, 10, 11],
    );
    assert.ok(stages[0]!.dropped.every((one) => Object.is(one.score, 0)));
    assert.deepEqual(hits.map((hit) => hit.index).sort(), [0, 1, 2]);
  },
  'duplicate vectors'() {
    const same = broken((r) => r.map((row) => (row.vector = r[0]!.vector)));
    assert.deepEqual(
      funnel(same, query(), { ...plan, limit: 5 }).map((hit) => hit.index),
      [0, 1, 2, 3, 4],
    );
  },
  'a row in the direction of the query, or against it'() {
    const random = new Random(SEED);
    for (let i = 0; i < 500; i++) {
      const q = random.vector(768);
      const [same, other] = funnel([{ vector: q }, { vector: q.map((x) => -2 * x) }], q, { scales: [768], keep: 1 });
      assert.ok(same!.score <= 1 && other!.score >= -1);
      assert.ok(Number.isFinite(Math.acos(same!.score) + Math.acos(other!.score)));
    }
  },
  'duplicate ids'() {
    const hits = funnel(
      broken((r) => r.map((row) => (row.id = 7))),
      query(),
      { scales: [16], keep: 1 },
    );
    assert.deepEqual(
      hits.map((hit) => hit.id),
      new Array(COUNT).fill(7),
    );
    assert.equal(new Set(hits.map((hit) => hit.index)).size, COUNT);
  },
  'bigint and string ids'() {
    const big = 2n ** 64n - 1n;
    const bigints = Array.from({ length: COUNT }, (_, i) => big - BigInt(i));
    for (const hit of funnel({ ...packed(), ids: bigints }, query(), plan)) assert.equal(hit.id, bigints[hit.index]);
    const strings = bigints.map(String);
    for (const hit of funnel({ ...packed(), ids: strings }, query(), plan)) assert.equal(hit.id, strings[hit.index]);
    for (const hit of funnel({ ...packed(), ids: BigUint64Array.from(bigints) }, query(), plan)) {
      assert.equal(hit.id, bigints[hit.index]);
    }
  },
  'a SharedArrayBuffer, or a view at any offset'() {
    const want = funnel(packed(), query(), plan);
    for (let offset = 0; offset < 17; offset++) {
      for (const Buffer of [ArrayBuffer, SharedArrayBuffer]) {
        const vectors = new Float32Array(new Buffer((offset + COUNT * DIM) * 4), offset * 4);
        vectors.set(packed().vectors);
        const q = new Float32Array(new Buffer((offset + DIM) * 4), offset * 4);
        q.set(query());
        assert.deepEqual(funnel({ vectors, dim: DIM }, q, plan), want);
      }
    }
  },
  'float16 bits in a Uint16Array'() {
    const half = Uint16Array.from({ length: COUNT * DIM }, (_, i) => 0x3000 + ((i * 37) % 0x0c00));
    const float = Float32Array.from(half, (bits) => 2 ** ((bits >> 10) - 15) * (1 + (bits & 1023) / 1024));
    assert.deepEqual(
      funnel({ vectors: half, dim: DIM }, query(), plan),
      funnel({ vectors: float, dim: DIM }, query(), plan),
    );
  },
  'a score of −0'() {
    const candidates: CandidateRow[] = [
      { id: 1, vector: [-0, 0, -1, 1] },
      { id: 2, vector: [0, -0, 1, -1] },
    ];
    for (const metric of ['cosine', 'dot', 'euclid'] as const) {
      for (const { score } of funnel(candidates, [1, 1, 0, 0], { scales: [2], keep: 1, metric })) {
        assert.ok(!Object.is(score, -0));
      }
      for (const { score } of funnel(candidates, [-0, 0, -1, 1], { scales: [4], keep: 1, metric }))
        assert.ok(!Object.is(score, -0));
    }
  },
  async 'a buffer transferred while `funnelAsync` runs'() {
    const transfer = (view: Float32Array) => structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
    const q = new Random(4).vector(512);
    const big: Plan = { scales: [512], keep: 0.5, limit: 3 };
    for (const count of [2000, 6000]) {
      const vectors = new Random(3).vector(count * 512);
      const want = funnel({ vectors, dim: 512 }, q, big);
      const ids = BigUint64Array.from({ length: count }, (_, i) => BigInt(i));
      const pending = funnelAsync({ vectors, dim: 512, ids }, q.slice(), big);
      transfer(vectors);
      structuredClone(ids.buffer, { transfer: [ids.buffer] });
      // 4 MiB are copied at once.
      if (count === 2000)
        assert.deepEqual(
          (await pending).map((hit) => Number(hit.id)),
          want.map((hit) => hit.id),
        );
      else await assert.rejects(pending, { code: 'DETACHED_BUFFER' });
    }
    const list = rows();
    const pending = funnelAsync(list, query(), plan);
    list.length = 0;
    assert.deepEqual(await pending, funnel(rows(), query(), plan));
    const shared = new Float32Array(new SharedArrayBuffer(16));
    assert.deepEqual(await funnelAsync({ vectors: shared.fill(1), dim: 4 }, [1, 1, 1, 1], { scales: [4], keep: 1 }), [
      { id: 0, score: 1, index: 0 },
    ]);
    await assert.rejects(() => funnelAsync([], new Float32Array(4), plan), { code: 'BAD_PLAN' });
  },
  'a getter that changes plan or buffers during the call'() {
    let asked = 0;
    const shifty = {
      get scales() {
        return asked++ ? [4e8] : [4];
      },
      keep: 1,
    };
    assert.equal(funnel(rows(), query(), shifty).length, COUNT);
    assert.equal(asked, 1);
    const transfer = (view: Float32Array) => structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
    const matrix = packed();
    const q = query();
    const thief = (view: Float32Array): Plan => ({
      scales: [4],
      get keep() {
        transfer(view);
        return 1;
      },
    });
    fails('DETACHED_BUFFER', /stay as they are/, () => funnel(matrix, q, thief(q)));
    fails('DETACHED_BUFFER', /stay as they are/, () => funnel(matrix, query(), thief(matrix.vectors)));
    const other = query();
    const options = {
      get explain() {
        transfer(other);
        return false as const;
      },
    };
    fails('DETACHED_BUFFER', /query/, () => funnel(packed(), other, plan, options));

    // V8 may have optimized the code for resizable buffers too.
    const filled = (buffer: ArrayBufferLike) => new Float32Array(buffer as ArrayBuffer).fill(1);
    const Resizable = ArrayBuffer as unknown as new (length: number, options: { maxByteLength: number }) => ArrayBuffer;
    const resizable = () => filled(new Resizable(16 * DIM, { maxByteLength: 32 * DIM }));
    const fixed = () => filled(new ArrayBuffer(16 * DIM));
    const halves = new Uint16Array(4 * DIM).fill(0x3c00);
    const rounds = 9000;
    for (let i = 0; i <= rounds; i++) {
      const vectors = [resizable(), fixed(), halves][i % 3]!;
      funnel({ vectors, dim: DIM }, query(), { scales: [4], keep: 1 });
      if (i < rounds - 20) continue;
      for (const lost of ['vectors', 'query'] as const) {
        const given = { vectors: fixed(), query: query() };
        const thief: Plan = {
          scales: [4],
          get keep() {
            structuredClone(given[lost].buffer, { transfer: [given[lost].buffer as ArrayBuffer] });
            return 1;
          },
        };
        const run = () => funnel({ vectors: given.vectors, dim: DIM }, given.query, thief);
        fails('DETACHED_BUFFER', /stay as they are/, run);
      }
    }
  },
  'a getter that calls `funnel` from within'() {
    const many = new Random(9).vector(300 * DIM);
    const nested = () => funnel({ vectors: many, dim: DIM }, query(), { scales: [DIM], keep: 1 })[0]!.id;
    const want = funnel(rows(), query(), { scales: [8, DIM], keep: 0.8 });
    const list = rows().map((row) => ({
      ...row,
      get payload() {
        return nested();
      },
    }));
    const hits = funnel(list, query(), {
      get scales() {
        nested();
        return [8, DIM];
      },
      keep: 0.8,
    });
    assert.deepEqual(
      hits.map(({ id, score }) => [id, score]),
      want.map(({ id, score }) => [id, score]),
    );
    assert.ok(hits.every((hit) => hit.payload === nested()));
  },
};

function documented(): string[] {
  const page = readFileSync(resolve('docs/funnel.md'), 'utf8');
  const table = /<!-- odd-inputs -->\n([\s\S]*?)\n<!-- \/odd-inputs -->/.exec(page)![1]!;
  const lines = table.split('\n').slice(2);
  return lines.map((line) => line.split('|')[1]!.trim());
}

describe('odd inputs, as docs/funnel.md says', () => {
  it('has one case per row of the table', () => {
    assert.deepEqual(Object.keys(cases), documented());
  });

  for (const { name, supported } of listKernels()) {
    if (!supported) continue;
    for (const [input, check] of Object.entries(cases)) {
      it(`${input} (${name})`, async () => {
        useKernels(name);
        await check();
      });
    }
  }
});
