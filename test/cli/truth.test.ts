/** True neighbours that stand beside a set of queries, in `tune` and `bench`: the same answers as by exact searches. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelError, FunnelSearch } from 'funnelvec';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { tune } from 'funnelvec/tune';
import { Random } from '../random.js';
import { done, fails } from './command.js';
import { tempFolder } from './files.js';

const { write, path } = tempFolder();
const random = new Random(23);
const [DIM, ROWS, QUERIES, K] = [16, 600, 60, 12] as const;
const vectors = (count: number) => Array.from({ length: count }, () => random.vector(DIM));
const [base, queries] = [vectors(ROWS), vectors(QUERIES)];

function fvecs(rows: readonly Float32Array[]): Buffer {
  const lead = Buffer.alloc(4);
  lead.writeInt32LE(DIM);
  return Buffer.concat(rows.flatMap((row) => [lead, Buffer.from(row.buffer, row.byteOffset, row.byteLength)]));
}

/** By sums in float64, as a benchmark's own scripts make them. */
function nearest(metric: 'euclid' | 'cosine' | 'dot'): number[][] {
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  const score = (query: Float32Array, row: Float32Array) => {
    if (metric === 'euclid') return -row.reduce((sum, x, i) => sum + (x - query[i]!) ** 2, 0);
    return dot(query, row) / (metric === 'cosine' ? Math.sqrt(dot(row, row)) : 1);
  };
  return queries.map((query) =>
    base
      .map((row, id) => ({ id, score: score(query, row) }))
      .sort((a, b) => b.score - a.score)
      .slice(0, K)
      .map(({ id }) => id),
  );
}

const ivecs = (lists: readonly number[][]) => Buffer.from(Int32Array.from(lists.flatMap((ids) => [K, ...ids])).buffer);
function ibin(lists: readonly number[][], withDistances: boolean): Buffer {
  const ids = Buffer.from(Int32Array.from([lists.length, K, ...lists.flat()]).buffer);
  return withDistances ? Buffer.concat([ids, Buffer.alloc(4 * lists.length * K)]) : ids;
}

const baseFile = write('base.fvecs', fvecs(base));
const queryFile = write('query.fvecs', fvecs(queries));
const truth = nearest('euclid');
const store = path('store');
const at = (...words: string[]) => [words[0]!, '--store', store, '--queries', queryFile, ...words.slice(1)];
const promise = ['--recall', '0.7', '--k', '10', '--no-exact', '--no-save', '--json'];
await done(['ingest', baseFile, '--metric', 'euclid', '--to', store]);

describe('true neighbours of a file', () => {
  it('are what exact searches find, for tune and for bench, of all queries and of a sample', async () => {
    const own = (await done(at('tune', ...promise))).json;
    const files = [
      write('truth.ivecs', ivecs(truth)),
      write('truth.ibin', ibin(truth, false)),
      write('distances.ibin', ibin(truth, true)),
    ];
    for (const file of files) {
      // Its hash is of the ids and scores of all exact answers.
      const given = (await done(at('tune', '--truth', file, ...promise))).json;
      assert.equal(given.fingerprint.hash, own.fingerprint.hash);
      assert.equal(given.fingerprint.queries, QUERIES);
    }
    const some = [...promise, '--sample', '40'];
    const sampled = (await done(at('tune', '--truth', files[0]!, ...some))).json;
    assert.equal(sampled.fingerprint.hash, (await done(at('tune', ...some))).json.fingerprint.hash);
    const bench = (await done(at('bench', '--truth', files[0]!, '--json'))).json;
    assert.equal(bench.modes[0].recall, 1);
    assert.equal(bench.modes[1].recall, (await done(at('bench', '--json'))).json.modes[1].recall);
  });

  it('of other queries, too few, of rows that there are not, or of another metric are refused', async () => {
    const ofK = (message: RegExp, lists: number[][], ...more: string[]) =>
      fails(1, message, at('tune', '--truth', write('bad.ivecs', ivecs(lists)), ...promise, ...more));
    await ofK(/neighbours of 60 queries for .*bad\.ivecs but received those of 59/, truth.slice(1));
    await ofK(/at least 13 neighbours a query for .*bad\.ivecs but received 12/, truth, '--k', '13');
    const beyond = truth.map((ids, q) => (q === 7 ? [ROWS, ...ids.slice(1)] : ids));
    await ofK(/numbers of rows below 600, which the store has, in row 7 of .*but received 600/, beyond);
    await ofK(
      /numbers of rows in row 3 of .*but received -1/,
      truth.map((ids, q) => (q === 3 ? [-1, ...ids] : ids).slice(0, K)),
    );
    await ofK(
      /each id once for neighbours\[2\]\[1\]/,
      truth.map((ids, q) => (q === 2 ? [ids[0]!, ...ids].slice(0, K) : ids)),
    );
    const others = truth.map((ids) => ids.map((id) => (id + 1) % ROWS));
    await ofK(/Expected the best 10 rows of this store under its metric .*is it of another set of rows/, others);
    const bench = at('bench', '--truth', write('others.ivecs', ivecs(others)), '--json');
    await fails(1, /Expected the best 10 rows of this store/, bench);
    await fails(
      1,
      /Expected the best 10 rows/,
      at('tune', '--truth', write('dot.ivecs', ivecs(nearest('dot'))), ...promise),
    );
  });

  it('in a file that is cut off, of other counts, missing or of another kind are refused, before any work', async () => {
    const whole = ivecs(truth);
    const tuned = (file: string) => at('tune', '--truth', file, ...promise);
    await fails(1, /whole \.ivecs file for .*one of 3115 bytes/, tuned(write('cut.ivecs', whole.subarray(0, 3115))));
    await fails(1, /whole \.ibin file/, tuned(write('cut.ibin', ibin(truth, true).subarray(0, 4000))));
    await fails(1, /one of 3 bytes/, tuned(write('short.ivecs', whole.subarray(0, 3))));
    const uneven = Buffer.from(whole);
    uneven.writeInt32LE(K - 1, 4 * (K + 1) * 5);
    await fails(1, /rows of 12 ids for .* but received 11 in row 5/, tuned(write('uneven.ivecs', uneven)));
    await fails(1, /no such file/, tuned(path('none.ivecs')));
    await fails(1, /rows of 1 to 65536 ids/, tuned(write('zero.ivecs', Buffer.alloc(64))));
    await fails(2, /ends in \.ivecs, \.ibin, \.hdf5/, tuned(queryFile));
    await fails(2, /Expected --queries beside .* and --truth/, ['tune', '--store', store, '--truth', 'a.ivecs']);
    await fails(2, /no --filter beside --truth/, [...tuned('a.ivecs'), '--filter', '{"must":[]}']);
  });

  it('are refused for a store whose ids are of a column', async () => {
    const rows = base.slice(0, 30).map((row, i) => JSON.stringify({ id: 7 * i, v: Array.from(row) }));
    const own = path('own');
    await done(['ingest', write('own.jsonl', rows.join('\n')), '--vector', 'v', '--id', 'id', '--to', own]);
    const line = ['bench', '--store', own, '--queries', queryFile, '--truth', write('own.ivecs', ivecs(truth))];
    await fails(1, /ids that are numbers of rows.*but received ids of the column "id": ingest without --id/, line);
  });
});

describe('tune({ neighbours })', () => {
  it('goes by them over a search by a head, too', async () => {
    const index = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'euclid' });
    await index.upsert(base.map((vector, id) => ({ id, vector })));
    const search = new FunnelSearch({ source: embeddedSource(index, { head: 4 }) });
    const options = { search, queries, target: { recall: 0.7, k: 10 }, exact: false };
    const [own, given] = [
      await tune(options),
      await tune({ ...options, neighbours: truth.map((ids) => Int32Array.from(ids)) }),
    ];
    assert.equal(given.fingerprint.hash, own.fingerprint.hash);
    await index.close();
  });

  it('takes bigints, which the ids of large integers are', async () => {
    const large = (id: number) => (id % 2 === 0 ? 2n ** 60n + BigInt(id) : BigInt(id));
    const index = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'euclid' });
    await index.upsert(base.map((vector, i) => ({ id: large(i), vector })));
    const options = { search: index, queries, target: { recall: 0.7, k: 10 }, exact: false };
    const neighbours = truth.map((ids) => ids.map(large));
    const [own, given] = [await tune(options), await tune({ ...options, neighbours })];
    assert.equal(given.fingerprint.hash, own.fingerprint.hash);
    const twice = [[1, ...neighbours[0]!.slice(0, 8), 1n], ...neighbours.slice(1)];
    await assert.rejects(tune({ ...options, neighbours: twice }), { code: 'BAD_ID', message: /each id once/ });
    await index.close();
  });

  for (const metric of ['cosine', 'dot', 'euclid'] as const) {
    it(`goes by them as by exact searches, under ${metric}, whatever the kind of ids`, async () => {
      const lists = nearest(metric);
      const index = await FunnelIndex.create(':memory:', { dim: DIM, metric });
      await index.upsert(base.map((vector, i) => ({ id: `row ${i}`, vector })));
      const options = { search: index, queries, target: { recall: 0.7, k: 10 }, exact: false };
      const neighbours = lists.map((ids) => ids.map((id) => `row ${id}`));
      const [own, given] = [await tune(options), await tune({ ...options, neighbours })];
      assert.equal(given.fingerprint.hash, own.fingerprint.hash);
      const refused = (wrong: unknown, message: RegExp) =>
        assert.rejects(
          tune({ ...options, neighbours: wrong as string[][] }),
          (error) => error instanceof FunnelError && message.test(error.message),
        );
      await refused(neighbours.slice(1), /as many lists of neighbours as queries, 60, but received 59/);
      await refused('all', /an array of ids for each query for neighbours/);
      await refused([...neighbours.slice(1), ['row 1']], /at least 10 ids, as target\.k has it, for neighbours\[59\]/);
      await refused(
        [...neighbours.slice(1), lists[0]!.map((id) => `row ${id + ROWS}`)],
        /a row that is there for neighbours\[59\]\[0\]/,
      );
      await refused(
        [...neighbours.slice(1), lists[0]!.map((id) => id + 0.5)],
        /an integer or text for neighbours\[59\]\[0\]/,
      );
      const filter = { must: [] };
      await assert.rejects(tune({ ...options, neighbours, request: { filter } }), /no filter beside neighbours/);
      await index.close();
    });
  }
});
