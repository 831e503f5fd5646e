/** Head searches, and searches by whole vectors: found as a scan finds, decoded bit for bit. */

import assert from 'node:assert/strict';
import type { Metric } from '../core/types.js';
import type { Source } from '../query/source/source.js';
import type { CollectionSpec, Row } from './backend.js';
import { COUNT, DIM, HEAD, random, randomVector, rows } from './data.js';
import { rejects } from './failures.js';
import { near, rowOf, sameOrder, sameVector, scan, scanScoreOf, unpacked } from './scan-oracle.js';
import type { SuiteTools } from './suite-tools.js';

export function headTests(tools: SuiteTools): void {
  const {
    backend,
    it,
    where,
    withStrings,
    withBigIds,
    withFilters,
    withTails,
    withDecoders,
    shared,
    open,
    head,
    query,
    supports,
    filters,
    idKinds,
  } = tools;
  /** The facts of info(), without a limit of searches, which a source may have. */
  const told = async (source: Source) => {
    const { mostCandidates = 1, ...rest } = await source.info();
    assert.ok(Number.isInteger(mostCandidates) && mostCandidates > 0, `mostCandidates is ${mostCandidates}`);
    return rest;
  };
  it('info() names head, dims, metric and kind of id', async () => {
    for (const metric of ['cosine', 'dot', 'euclid'] as const) {
      const spec = await shared(metric, { metric });
      assert.deepEqual(await told(open(spec)), {
        headDim: spec.headDim,
        dim: DIM,
        metric,
        idKind: idKinds.number,
      });
    }
  });

  for (const metric of ['cosine', 'dot', 'euclid'] as const) {
    it(`head() finds what a full scan over the heads finds, under ${metric}, with the full vectors`, async () => {
      const spec = await shared(metric, { metric });
      const vector = query();
      const answer = await open(spec).head({ vector, candidates: 20 });
      const best = scan(spec, vector, spec.headDim).slice(0, 20);
      const candidates = unpacked(answer.candidates);
      sameOrder(candidates.ids, best, backend);
      assert.equal(candidates.dim, DIM);
      assert.equal(candidates.payloads, undefined);
      assert.ok(answer.headMs >= 0 && answer.decodeMs >= 0);
      candidates.ids.forEach((id, i) => {
        const row = rowOf(spec, id, backend);
        sameVector(
          candidates.vectors.subarray(i * DIM, (i + 1) * DIM),
          row.vector,
          supports.normalises === true && metric === 'cosine',
        );
        const score = scanScoreOf(metric, vector, row.vector, spec.headDim);
        assert.ok(
          Math.abs(candidates.headScores![i]! - score) < 1e-4,
          `head score ${candidates.headScores![i]} for ${score}`,
        );
      });
    });
  }

  it('a payload comes as it was asked for: none, all of it, or some fields', async () => {
    const spec = await shared('cosine');
    const vector = query();
    const source = open(spec);
    const all = await head(source, { vector, candidates: 5, withPayload: true });
    const some = await head(source, { vector, candidates: 5, withPayload: ['title', 'even'] });
    const none = await head(source, { vector, candidates: 5, withPayload: false });
    assert.equal(none.payloads, undefined);
    all.ids.forEach((id, i) => {
      const full = backend.payloadOf(rowOf(spec, id, backend));
      assert.deepEqual(all.payloads![i], full);
      assert.deepEqual(some.payloads![i], { title: full['title'], even: full['even'] });
    });
  });

  withFilters('the filter of the request, of the source, and both together restrict what is found', async () => {
    const spec = await shared('cosine');
    const vector = query();
    const { even, small } = filters!;
    const found = async (standing: unknown, requested: unknown) => {
      const source = open(spec, standing === undefined ? {} : { nativeFilter: standing });
      const candidates = await head(source, { vector, candidates: 100, nativeFilter: requested });
      return candidates.ids.map((id) => rowOf(spec, id, backend).n).sort((a, b) => a - b);
    };
    const ns = (keep: (row: Row) => boolean) => spec.rows.filter(keep).map((row) => row.n);
    assert.deepEqual(
      await found(undefined, even),
      ns((row) => row.even),
    );
    assert.deepEqual(
      await found(small, undefined),
      ns((row) => row.n < 10),
    );
    assert.deepEqual(
      await found(small, even),
      ns((row) => row.even && row.n < 10),
    );
  });

  it('more candidates than points are answered with all points', async () => {
    const spec = await shared('cosine');
    const candidates = await head(open(spec), { vector: query(), candidates: 16_384 });
    assert.equal(candidates.ids.length, COUNT);
    assert.equal(candidates.vectors.length, COUNT * DIM);
  });

  withFilters('a filter that matches nothing gives no candidates, of the right dims', async () => {
    const spec = await shared('cosine');
    const candidates = await head(open(spec), {
      vector: query(),
      candidates: 10,
      nativeFilter: filters!.nothing,
      withPayload: true,
    });
    assert.deepEqual(candidates.ids, []);
    assert.deepEqual(candidates.payloads, []);
    assert.equal(candidates.vectors.length, 0);
    assert.equal(candidates.dim, DIM);
  });

  withStrings('ids that are strings keep their kind', async () => {
    const spec = await shared('strings', { ids: 'string' });
    const source = open(spec);
    assert.equal((await source.info()).idKind, idKinds.string);
    const { ids } = await head(source, { vector: query(), candidates: 10 });
    sameOrder(ids, scan(spec, query(), spec.headDim).slice(0, 10), backend);
  });

  withBigIds('ids beyond 2^53 arrive exactly', async () => {
    const spec = await shared('big', { ids: 'big' });
    const source = open(spec);
    assert.equal((await source.info()).idKind, idKinds.big);
    const { ids } = await head(source, { vector: query(), candidates: 10 });
    sameOrder(ids, scan(spec, query(), spec.headDim).slice(0, 10), backend);
  });

  where(supports.refusesBigIds, 'ids that are refused (supports.refusesBigIds)')(
    'ids beyond 2^53 are refused over JSON, with the remedy',
    async () => {
      const spec = await shared('big', { ids: 'big' });
      for (const decode of ['fast', 'client'] as const) {
        await rejects(
          open(spec, { decode }).head({ vector: query(), candidates: 10 }),
          'BAD_ID',
          supports.refusesBigIds!,
        );
      }
    },
  );

  withTails('head and tail are joined to the full vector, whatever the server compares heads by', async () => {
    for (const metric of ['cosine', 'dot', 'euclid'] as const) await joined(metric);
  });

  const joined = async (by: Metric) => {
    const spec = await shared(by === 'cosine' ? 'tail' : `tail_${by}`, { layout: 'tail', metric: by });
    const source = open(spec);
    assert.deepEqual(await told(source), {
      headDim: HEAD,
      dim: DIM,
      metric: 'cosine',
      idKind: idKinds.number,
    });
    for (const withPayload of [false, true, ['title']]) {
      const candidates = await head(source, { vector: query(), candidates: 20, withPayload });
      sameOrder(candidates.ids, scan(spec, query(), HEAD).slice(0, 20), backend);
      candidates.ids.forEach((id, i) => {
        const row = rowOf(spec, id, backend);
        const joined = candidates.vectors.subarray(i * DIM, (i + 1) * DIM) as Float32Array;
        near(joined.subarray(0, HEAD), row.vector.subarray(0, HEAD), 1e-6);
        assert.deepEqual(joined.subarray(HEAD), row.vector.subarray(HEAD));
        // The length is asked for on our behalf and must not show.
        if (Array.isArray(withPayload)) assert.deepEqual(candidates.payloads![i], { title: row.title });
      });
    }
    await rejects(source.full({ vector: query(), limit: 5 }), 'BAD_ARGUMENT', /tail/);
  };

  it('full() finds what a full scan over the whole vectors finds', async () => {
    for (const metric of ['cosine', 'dot', 'euclid'] as const) {
      const spec = await shared(metric, { metric });
      const vector = query();
      const { ids, scores } = await open(spec).full({ vector, limit: 7 });
      sameOrder(ids, scan(spec, vector, DIM).slice(0, 7), backend);
      ids.forEach((id, i) => {
        const score = scanScoreOf(metric, vector, rowOf(spec, id, backend).vector, DIM);
        assert.ok(Math.abs(scores[i]! - score) < 1e-4, `score ${scores[i]} for ${score}`);
      });
    }
  });

  withDecoders('reading the bytes gives the candidates that the client gives, bit for bit', async () => {
    const big = await shared('wide', { headDim: 128, dim: 768, rows: rows(150, 768, 'number', 11) });
    const specs: [spec: CollectionSpec, dim: number][] = [[big, 768]];
    if (supports.tails) specs.push([await shared('tail', { layout: 'tail' }), DIM]);
    for (const [spec, dim] of specs) {
      const fast = open(spec, { decode: 'fast' });
      const plain = open(spec, { decode: 'client' });
      const request = { vector: query(dim), candidates: 128, withPayload: true };
      // The first search over gRPC is always the client's.
      await fast.head(request);
      backend.clientDecoded!();
      const one = await head(fast, request);
      assert.deepEqual(backend.clientDecoded!(), [false], 'the client decoded what should have been read as bytes');
      const other = await head(plain, request);
      assert.deepEqual(backend.clientDecoded!(), [true]);
      assert.deepEqual(one, other);
      const bits = (vectors: ArrayBufferView) =>
        new Uint32Array(vectors.buffer.slice(vectors.byteOffset, vectors.byteOffset + vectors.byteLength));
      assert.deepEqual(bits(one.vectors), bits(other.vectors));
    }
  });

  withDecoders(
    'a batch read as bytes gives what the client gives, and what single searches give, bit for bit',
    async () => {
      for (const key of supports.tails ? ['cosine', 'tail'] : ['cosine']) {
        const spec = await shared(key, key === 'tail' ? { layout: 'tail' } : {});
        const fast = open(spec, { decode: 'fast' });
        const plain = open(spec, { decode: 'client' });
        const requests = Array.from({ length: 5 }, (_, i) => ({
          vector: randomVector(DIM, random(300 + i)),
          candidates: 11,
          withPayload: ['title'],
        }));
        const parts = async (source: Source) =>
          (await source.headBatch!(requests)).map(({ candidates }) => unpacked(candidates));
        // The first over gRPC is always the client's.
        await parts(fast);
        backend.clientDecoded!();
        const one = await parts(fast);
        assert.deepEqual(backend.clientDecoded!(), [false], 'the client decoded what should have been read as bytes');
        assert.deepEqual(await parts(plain), one);
        assert.deepEqual(backend.clientDecoded!(), [true]);
        // A server may add up a batch in another order, so not their head scores.
        for (const [i, request] of requests.entries()) {
          assert.deepEqual({ ...(await head(fast, request)), headScores: [] }, { ...one[i], headScores: [] });
        }
        // Where some have no hits, or none has.
        const { nothing, small } = filters!;
        for (const filters of [
          [nothing, small],
          [nothing, nothing],
        ]) {
          const some = filters.map((nativeFilter) => ({ ...requests[0]!, nativeFilter }));
          const found = (await fast.headBatch!(some)).map(({ candidates }) => candidates.ids!.length);
          assert.deepEqual(
            found,
            filters.map((filter) => (filter === small ? 10 : 0)),
          );
        }
        assert.deepEqual(await fast.headBatch!([]), []);
      }
    },
  );
}
