/** Requests for what is missing, senseless, gone, slow or aborted end in an error that says so. */

import assert from 'node:assert/strict';
import { COUNT, DIM, HEAD, rows } from './data.js';
import { blackHole, closedPort, type Failure, rejects, within } from './failures.js';
import type { SuiteTools } from './suite-tools.js';

export function failureTests(tools: SuiteTools): void {
  const { backend, it, where, withCollections, withServer, shared, make, open, query, supports, filters } = tools;
  withCollections('a missing collection is named', async () => {
    const source = backend.source({ collection: 'nowhere' });
    await rejects(source.info(), 'NO_COLLECTION', /nowhere/);
    await rejects(source.head({ vector: query(), candidates: 5 }), 'NO_COLLECTION', /nowhere/);
  });

  where(supports.vectorNames ?? supports.collections, 'names of vectors (supports.vectorNames)')(
    'a missing vector is named, with those that exist',
    async () => {
      const spec = await shared('cosine');
      const there = supports.oneVector ? /"haed".*"full"/ : /"haed".*"head"/;
      await rejects(open(spec, { head: 'haed' }).info(), 'NO_FIELD', there);
      await rejects(open(spec, { full: 'ful' }).head({ vector: query(), candidates: 5 }), 'NO_FIELD', /"ful".*"full"/);
    },
  );

  it('a query of other dims, with NaN, or a senseless count never leaves the process', async () => {
    const spec = await shared('cosine');
    const source = open(spec);
    await rejects(source.head({ vector: query(DIM - 1), candidates: 5 }), 'BAD_DIMS', /24 dims/);
    const broken = query();
    broken[3] = Number.NaN;
    await rejects(source.head({ vector: broken, candidates: 5 }), 'NOT_FINITE', /dim 3/);
    await rejects(source.full({ vector: broken, limit: 5 }), 'NOT_FINITE', /dim 3/);
    for (const candidates of [0, -1, 1.5, Number.NaN]) {
      await rejects(source.head({ vector: query(), candidates }), 'BAD_ARGUMENT', /candidates/);
      await rejects(source.full({ vector: query(), limit: candidates }), 'BAD_ARGUMENT', /limit/);
    }
  });

  where(supports.limit, 'limit (supports.limit)')(
    'a limit beyond the database is refused before the search',
    async () => {
      const spec = await shared('cosine');
      await rejects(open(spec).head({ vector: query(), candidates: 16_385 }), 'BAD_ARGUMENT', /16384/);
      await rejects(open(spec).scan({ limit: 16_385 }), 'BAD_ARGUMENT', /16384/);
    },
  );

  where(filters?.bad, 'filter that the database refuses (filters.bad)')(
    'a filter that the database does not understand is refused in its words',
    async () => {
      const spec = await shared('cosine');
      const source = open(spec);
      await assert.rejects(
        source.head({ vector: query(), candidates: 5, nativeFilter: filters!.bad }),
        (error: Failure) => {
          assert.equal(error.name, 'FunnelError');
          assert.ok(['REFUSED', 'BAD_RESPONSE'].includes(error.code), error.code);
          return true;
        },
      );
      // And the next one works.
      await source.head({ vector: query(), candidates: 5 });
    },
  );

  where(supports.loading, 'collection out of memory (supports.loading)')(
    'a collection that is not loaded is an error of its own',
    async () => {
      const spec = await make('unloaded');
      const source = open(spec);
      await source.head({ vector: query(), candidates: 5 });
      await backend.unload!(spec.collection);
      await rejects(source.head({ vector: query(), candidates: 5 }), 'NOT_LOADED', /unloaded.*load/);
    },
  );

  withCollections('a collection that was dropped, or made anew with other dims, is noticed', async () => {
    const spec = await make('changing');
    const source = open(spec);
    await source.head({ vector: query(), candidates: 5 });
    await backend.drop(spec.collection);
    await rejects(source.head({ vector: query(), candidates: 5 }), 'NO_COLLECTION', /changing/);
    await backend.create({ ...spec, dim: DIM + 2, rows: rows(COUNT, DIM + 2, 'number', 7) });
    await rejects(source.head({ vector: query(), candidates: 5 }), 'BAD_DIMS', /26 dims/);
    assert.equal((await source.info()).dim, DIM + 2);
    await source.head({ vector: query(DIM + 2), candidates: 5 });
  });

  withCollections('a collection made anew under a source that knows it is noticed on the next search', async () => {
    const spec = await make('swapped');
    const source = open(spec);
    await source.head({ vector: query(), candidates: 5 });
    await backend.drop(spec.collection);
    await backend.create({
      ...spec,
      headDim: supports.oneVector ? DIM + 2 : HEAD + 1,
      dim: DIM + 2,
      rows: rows(COUNT, DIM + 2, 'number', 7),
    });
    await rejects(source.head({ vector: query(), candidates: 5 }), 'BAD_DIMS', /26/);
  });

  withServer('a server that is down is unreachable', async () => {
    const port = await closedPort();
    const source = backend.elsewhere!(port, { collection: 'any' });
    await rejects(source.info(), 'UNREACHABLE', /any/);
    await rejects(source.head({ vector: query(), candidates: 5 }), 'UNREACHABLE', /any/);
  });

  withServer('a server that never answers runs into the timeout, of the request or of the source', async () => {
    const hole = await blackHole();
    try {
      const source = backend.elsewhere!(hole.port, { collection: 'any', timeout: 300 });
      await rejects(within(2_000, source.info()), 'TIMEOUT', /any.*300 ms/);
      await rejects(within(2_000, source.head({ vector: query(), candidates: 5, timeout: 100 })), 'TIMEOUT', /100 ms/);
    } finally {
      hole.close();
    }
  });

  it('a call is not begun under a signal that was aborted, nor with a senseless deadline', async () => {
    const source = open(await shared('cosine'));
    const request = { vector: query(), candidates: 5 };
    await rejects(source.head({ ...request, signal: AbortSignal.abort() }), 'ABORTED', /aborted/);
    await rejects(source.fetch({ ids: [1], signal: AbortSignal.abort() }), 'ABORTED', /aborted/);
    for (const timeout of [0, -5, Number.NaN]) {
      await rejects(source.head({ ...request, timeout }), 'BAD_ARGUMENT', /timeout/);
      await rejects(source.scan({ limit: 5, timeout }), 'BAD_ARGUMENT', /timeout/);
    }
  });

  withServer('an aborted call ends at once, before it began or while it waits', async () => {
    const hole = await blackHole();
    try {
      const source = backend.elsewhere!(hole.port, { collection: 'any' });
      await rejects(source.head({ vector: query(), candidates: 5, signal: AbortSignal.abort() }), 'ABORTED', /any/);
      const controller = new AbortController();
      const waiting = source.head({ vector: query(), candidates: 5, signal: controller.signal });
      setTimeout(() => controller.abort(new Error('enough')), 50);
      await rejects(within(1_000, waiting), 'ABORTED', /any/);
      await waiting.catch((error: Failure) => assert.equal((error.cause as Error).message, 'enough'));
    } finally {
      hole.close();
    }
  });
}
