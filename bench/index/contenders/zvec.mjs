// zvec's HNSW, in a collection on disk as its users have it.
import { rmSync } from 'node:fs';
import { packageVersion } from './versions.mjs';

const K = 10;
const M = 16;
const EF_CONSTRUCTION = 128;

export const contenders = {
  'zvec-hnsw': {
    version: () => packageVersion('@zvec/zvec'),
    about: () => `inner product on normalised rows; M ${M}, efConstruction ${EF_CONSTRUCTION}`,
    async build(rows, { dim, file, threads }, timed) {
      const zvec = await library(threads);
      rmSync(file, { recursive: true, force: true });
      const collection = zvec.ZVecCreateAndOpen(file, schemaOf(zvec, dim));
      const seconds = await timed(async () => {
        for await (const { from, to, values } of rows.blocks(1000)) {
          const docs = Array.from({ length: to - from }, (_, i) => ({
            id: String(from + i),
            vectors: { vector: values.subarray(i * dim, (i + 1) * dim) },
          }));
          const failed = collection.insertSync(docs).find(({ ok }) => !ok);
          if (failed) throw new Error(`zvec insert: ${failed.message}`);
        }
        collection.optimizeSync({ concurrency: threads });
      });
      collection.closeSync();
      return seconds;
    },
    async open({ file, threads }) {
      const zvec = await library(threads);
      const collection = zvec.ZVecOpen(file, { readOnly: true, enableMMAP: true });
      const params = { indexType: zvec.ZVecIndexType.HNSW };
      return {
        settings: [16, 32, 48, 64, 96, 128, 192, 256].map((ef) => ({ name: `ef ${ef}`, ef })),
        search: (vector, { ef }) =>
          collection.querySync({ fieldName: 'vector', topk: K, vector, outputFields: [], params: { ...params, ef } }),
        ids: (docs) => docs.map(({ id }) => Number(id)),
        close: () => collection.closeSync(),
      };
    },
  },
};

async function library(threads) {
  const zvec = await import('@zvec/zvec');
  zvec.ZVecInitialize({ logLevel: zvec.ZVecLogLevel.ERROR, queryThreads: threads, optimizeThreads: threads });
  return zvec;
}

function schemaOf({ ZVecCollectionSchema, ZVecDataType, ZVecIndexType, ZVecMetricType }, dimension) {
  const indexParams = {
    indexType: ZVecIndexType.HNSW,
    metricType: ZVecMetricType.IP,
    m: M,
    efConstruction: EF_CONSTRUCTION,
  };
  const vectors = { name: 'vector', dataType: ZVecDataType.VECTOR_FP32, dimension, indexParams };
  return new ZVecCollectionSchema({ name: 'rows', vectors });
}
