// hnswlib-node. It adds and searches on one thread, and takes arrays of numbers only.
import { packageVersion } from './versions.mjs';

const K = 10;
const M = 16;
const EF_CONSTRUCTION = 128;

export const contenders = {
  hnswlib: {
    version: () => packageVersion('hnswlib-node'),
    about: () => `inner product on normalised rows; M ${M}, efConstruction ${EF_CONSTRUCTION}; always one thread`,
    async build(rows, { dim, count, file }, timed) {
      const index = await make(dim);
      return timed(async () => {
        index.initIndex({ maxElements: count, m: M, efConstruction: EF_CONSTRUCTION });
        for await (const { from, to, values } of rows.blocks()) {
          for (let row = from; row < to; row++) {
            index.addPoint(Array.from(values.subarray((row - from) * dim, (row - from + 1) * dim)), row);
          }
        }
        index.writeIndexSync(file);
      });
    },
    async open({ dim, file }) {
      const index = await make(dim);
      index.readIndexSync(file);
      return {
        settings: [16, 32, 48, 64, 96, 128, 192, 256].map((ef) => ({ name: `ef ${ef}`, ef })),
        set: ({ ef }) => index.setEf(ef),
        search: (query) => index.searchKnn(Array.from(query), K),
        ids: ({ neighbors }) => neighbors,
      };
    },
  },
};

async function make(dim) {
  const { default: hnswlib } = await import('hnswlib-node');
  return new hnswlib.HierarchicalNSW('ip', dim);
}
