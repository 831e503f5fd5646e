// Our own index: exact, and the funnel along its dial. Whatever the store's API is called is said here and nowhere else.
import { existsSync, rmSync } from 'node:fs';
import { packageVersion } from './versions.mjs';

const K = 10;
/** For large sets, the codes that a search scans are in memory; the float rows, and their int8 copy, stay on disk. */
const memoryFor = (count, dim) => (count >= 100_000 ? Math.ceil(0.5 * dim * count) : undefined);

/** One process serves both modes: setting 0 is exact, the others are the dial. */
const DIAL = [
  ...[10, 12, 16, 24, 32, 48, 64, 96, 128, 256].map((candidates) => ({ name: `candidates ${candidates}`, candidates })),
  ...[0.3, 0.5].map((eps) => ({ name: `eps ${eps}`, eps })),
];
/** With the coarse partition, which large sets have. */
const PROBES = [
  [8, 16],
  [10, 15],
  [12, 14],
  [16, 32],
  [32, 32],
  [48, 28],
  [48, 32],
  [64, 32],
  [96, 96],
  [112, 80],
  [112, 96],
  [128, 96],
  [256, 96],
  [320, 72],
  [384, 96],
].map(([probes, candidates]) => ({ name: `probes ${probes}, candidates ${candidates}`, probes, candidates }));

export const contenders = {
  funnelvec: {
    version: () => packageVersion('funnelvec'),
    about: ({ count, dim }) =>
      memoryFor(count, dim) === undefined
        ? 'cosine; asked by index.query()'
        : 'cosine; asked by index.query(); memory capped at half a byte a value, while building, too',
    async build(rows, { dim, file, threads, count }, timed) {
      const { FunnelIndex } = await import('funnelvec/store');
      rmSync(file, { recursive: true, force: true });
      return timed(async () => {
        const memory = memoryFor(count, dim);
        const options = { dim, metric: 'cosine', threads, autoOptimize: false, ...(memory && { memory }) };
        const index = await FunnelIndex.create(file, options);
        // A commit, and two syncs, for each.
        for await (const { from, to, values } of rows.blocks(count > 200_000 ? 65_536 : 16_384)) {
          await index.upsert({ ids: Int32Array.from({ length: to - from }, (_, i) => from + i), vectors: values });
        }
        await index.optimize();
        await index.close();
      });
    },
    async open({ file, threads, count, dim }) {
      if (!existsSync(file)) throw new Error(`no index at ${file}`);
      const { FunnelIndex } = await import('funnelvec/store');
      const memory = memoryFor(count, dim);
      const index = await FunnelIndex.open(file, { threads, readOnly: true, ...(memory && { memory }) });
      const dial = count > 200_000 ? [...DIAL, ...PROBES] : DIAL;
      const settings = [
        { name: 'exact', mode: 'exact' },
        ...dial.map(({ name, ...params }) => ({ name, mode: 'funnel', params })),
      ];
      const request = (vector, { mode, params }) => ({ vector, limit: K, mode, params });
      return {
        settings,
        // As README recommends it. More than one thread: those of the index.
        search: (vector, setting) => index.query(request(vector, setting)),
        searchBatch: (vectors, setting) => {
          const requests = vectors.map((vector) => request(vector, setting));
          return threads > 1 ? index.queryBatch(requests) : index.queryBatchSync(requests);
        },
        ids: ({ hits }) => hits.map(({ id }) => Number(id)),
        close: () => index.close(),
      };
    },
  },
};
