// LanceDB: its exact scan, and its IVF_PQ with refining, which is what its documentation recommends.
import { packageVersion } from './versions.mjs';

const K = 10;

const common = { version: () => packageVersion('@lancedb/lancedb') };

export const contenders = {
  'lancedb-flat': {
    ...common,
    about: () => 'scan without an index, dot on normalised rows',
    build: (rows, job, timed) => timed(() => create(rows, job)),
    open: (job) => open(job, [{ name: 'exact' }], (query) => query.bypassVectorIndex()),
  },
  'lancedb-ivfpq': {
    ...common,
    about: () => 'IVF_PQ, dot on normalised rows, refineFactor 20',
    build: (rows, job, timed) =>
      timed(async () => {
        const table = await create(rows, job);
        const { Index } = await import('@lancedb/lancedb');
        const numPartitions = job.count > 200_000 ? 2048 : 256;
        const config = Index.ivfPq({ distanceType: 'dot', numPartitions, numSubVectors: job.dim / 8 });
        await table.createIndex('vector', { config });
        table.close();
      }),
    open: (job) => {
      const settings = [8, 16, 32, 64, 128].map((nprobes) => ({ name: `nprobes ${nprobes}`, nprobes }));
      return open(job, settings, (query, { nprobes }) => query.nprobes(nprobes).refineFactor(20));
    },
  },
};

/** A table of ids and vectors, and of integer columns besides: by name, the value at a row. */
export async function create(rows, { file, dim }, columns = {}) {
  const { connect } = await import('@lancedb/lancedb');
  const { Field, FixedSizeList, Float32, Int32, Schema, makeData, vectorFromArray, RecordBatch, Struct, Table } =
    await import('apache-arrow');
  const item = new Field('item', new Float32(), true);
  const list = new FixedSizeList(dim, item);
  const integers = { id: (row) => row, ...columns };
  const schema = new Schema([
    ...Object.keys(integers).map((name) => new Field(name, new Int32(), false)),
    new Field('vector', list, false),
  ]);
  const database = await connect(file);
  let table;
  for await (const { from, to, values } of rows.blocks(65_536)) {
    const length = to - from;
    const child = makeData({ type: item.type, length: values.length, data: values });
    const children = [
      ...Object.values(integers).map((valueAt) => {
        return vectorFromArray(Int32Array.from({ length }, (_, i) => valueAt(from + i))).data[0];
      }),
      makeData({ type: list, length, child }),
    ];
    const data = makeData({ type: new Struct(schema.fields), length, children });
    const batch = new Table(schema, [new RecordBatch(schema, data)]);
    if (table) await table.add(batch);
    else table = await database.createTable('rows', batch, { mode: 'overwrite' });
  }
  return table;
}

async function open({ file }, settings, tune) {
  const { connect } = await import('@lancedb/lancedb');
  const table = await (await connect(file)).openTable('rows');
  return {
    settings,
    search: (query, setting) =>
      tune(table.vectorSearch(query).distanceType('dot').limit(K).select(['id', '_distance']), setting).toArray(),
    ids: (found) => Array.from(found, ({ id }) => id),
    close: () => table.close(),
  };
}
