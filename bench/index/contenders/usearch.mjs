// usearch: its exact search over a matrix, and its HNSW.
import { packageVersion } from './versions.mjs';

const K = 10;
const CONNECTIVITY = 16;
const EXPANSION_ADD = 128;

const common = { version: () => packageVersion('usearch') };

export const contenders = {
  'usearch-exact': {
    ...common,
    about: () => 'exactSearch, inner product on normalised rows',
    /** There is nothing to build: the file is the matrix. */
    build: async () => 0,
    async open({ folder, dim, count, threads }) {
      const { exactSearch, MetricKind } = await import('usearch');
      const { Rows } = await import('../sets/rows.mjs');
      const matrix = new Rows({ folder, dim, count }).all();
      const search = (query) => exactSearch(matrix, query, dim, K, MetricKind.IP, threads);
      return { settings: [{ name: 'exact' }], search, ids: idsOf };
    },
  },
  'usearch-hnsw': {
    ...common,
    about: () => `inner product on normalised rows; M ${CONNECTIVITY}, expansion_add ${EXPANSION_ADD}`,
    async build(rows, { dim, file, threads }, timed) {
      const index = await make(dim, 64);
      return timed(async () => {
        for await (const { from, to, values } of rows.blocks()) {
          index.add(
            BigUint64Array.from({ length: to - from }, (_, i) => BigInt(from + i)),
            values,
            threads,
          );
        }
        index.save(file);
      });
    },
    async open({ dim, file }) {
      const settings = [32, 64, 96, 128, 192, 256].map((ef) => ({ name: `ef ${ef}`, ef }));
      let index;
      let held;
      return {
        settings,
        /** The JavaScript binding takes the search depth only when an index is made. */
        async set({ ef }) {
          if (held === ef) return;
          index = await make(dim, ef);
          index.load(file);
          held = ef;
        },
        search: (query) => index.search(query, K, 1),
        ids: idsOf,
      };
    },
  },
};

async function make(dimensions, expansion_search) {
  const { Index, MetricKind, ScalarKind } = await import('usearch');
  return new Index({
    dimensions,
    metric: MetricKind.IP,
    quantization: ScalarKind.F32,
    connectivity: CONNECTIVITY,
    expansion_add: EXPANSION_ADD,
    expansion_search,
    multi: false,
  });
}

const idsOf = ({ keys }) => Array.from(keys, Number);
