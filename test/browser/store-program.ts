/** The program of a web page that has an index; its answer must not depend on where it runs. */

export const STORE = `
import { FunnelIndex } from 'funnelvec/store';
import { numbers } from './numbers.mjs';

const DIM = 16;
const COUNT = 600;

const codeOf = (call) => call.then(() => 'none', (error) => error.code ?? String(error));

/** The answers of an index, without what depends on the machine. */
async function asked(index) {
  const answers = {};
  const query = numbers(DIM, 7);
  const filter = { must: [{ key: 'year', range: { gte: 2000 } }, { key: 'tags', match: { any: ['a', 'ü'] } }] };
  for (const mode of ['funnel', 'exact']) {
    for (const more of [{}, { filter }, { offset: 3 }, { scoreThreshold: 0.3 }]) {
      const { hits, stats } = await index.query({ vector: query, limit: 5, mode, withPayload: true, ...more });
      answers[mode + JSON.stringify(more)] = [hits, stats.certified];
    }
  }
  answers.batch = (await index.queryBatch([{ vector: numbers(DIM, 8) }, { vector: query }])).map(({ hits }) => hits);
  answers.count = await index.countMatching({ filter });
  answers.facet = await index.facet({ key: 'tags' });
  answers.rows = (await index.get(['row 5', 'none', 'ümlaut'])).map((row) => row && { ...row, vector: [...row.vector] });
  answers.page = (await index.scroll({ limit: 3, filter })).points;
  answers.like = (await index.recommend({ positive: ['row 9'], negative: ['row 2'], limit: 4 })).hits;
  answers.groups = (await index.queryGroups({ vector: query, groupBy: 'year', limit: 3, groupSize: 2 })).groups;
  const { count, coded, dead, dim, metric } = index.stats();
  return { ...answers, stats: { count, coded, dead, dim, metric } };
}

async function filled(options) {
  const index = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false, ...options });
  const vectors = numbers(COUNT * DIM, 5);
  const ids = Array.from({ length: COUNT }, (_, i) => 'row ' + i);
  const payloads = ids.map((_, i) => ({ year: 1990 + (i % 30), tags: [['a'], ['b', 'ü'], []][i % 3], at: new Date(i), big: 2n ** 62n + BigInt(i) }));
  await index.upsert({ ids, vectors, payloads });
  return index;
}

export async function run(image) {
  const index = await filled({});
  await index.createPayloadIndex('year', 'integer');
  await index.optimize();
  await index.delete(['row 1', 'row 70']);
  await index.upsert([{ id: 'ümlaut', vector: [...numbers(DIM, 6)], payload: { year: 2024, tags: ['ü'], nothing: NaN } }]);
  const answers = { built: await asked(index) };
  const bytes = await index.toBytes();
  const copy = await FunnelIndex.fromBytes(bytes);
  answers.copied = await asked(copy);
  await copy.upsert([{ id: 'more', vector: [...numbers(DIM, 9)] }]);
  await copy.optimize();
  answers.grown = [copy.count, (await copy.query({ vector: numbers(DIM, 9), limit: 1, mode: 'exact' })).hits];
  const again = await FunnelIndex.fromBytes(await copy.toBytes(), { threads: 1 });
  answers.again = [again.count, await again.query({ vector: numbers(DIM, 9), limit: 2, mode: 'exact' }).then(({ hits }) => hits)];
  const half = await filled({ precision: 'float16', metric: 'euclid', rotation: 'none', lists: 16 });
  await half.optimize();
  const shipped = await FunnelIndex.fromBytes(await half.toBytes());
  answers.half = [await asked(half), await asked(shipped)].map((one) => ({ ...one }));
  const damaged = bytes.slice();
  damaged[damaged.length >> 1] ^= 1;
  answers.refused = [
    await codeOf(FunnelIndex.fromBytes(damaged)),
    await codeOf(FunnelIndex.fromBytes(bytes.subarray(0, bytes.length - 1))),
    await codeOf(FunnelIndex.fromBytes(bytes.subarray(0, 40))),
    await codeOf(FunnelIndex.fromBytes('bytes')),
    await codeOf(FunnelIndex.fromBytes(bytes, { thread: 1 })),
  ];
  if (image !== undefined) {
    const made = await FunnelIndex.fromBytes(image, {});
    answers.shipped = await asked(made);
    await made.close();
  }
  const { kernels } = index.stats();
  for (const one of [index, copy, again, half, shipped]) await one.close();
  return { answers: JSON.parse(JSON.stringify(answers, (_, value) => (typeof value === 'bigint' ? value + 'n' : value))), kernels };
}
`;
