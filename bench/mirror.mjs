// The rows of a collection in the embedded index, by the ids that the servers have them under.
import { FunnelIndex } from 'funnelvec/store';

export async function mirrorOf({ dim, rows }) {
  const index = await FunnelIndex.create(':memory:', { dim, autoOptimize: false });
  await index.upsert({ ids: Array.from({ length: rows.length / dim }, (_, row) => row), vectors: rows });
  return index;
}
