// The rows of a collection in the embedded index, by the ids that the servers have them under.
import { FunnelIndex } from 'funnelvec/store';

/** @param source synced from it, so that it may be searched in place of the collection */
export async function mirrorOf({ dim, rows }, source) {
  const index = await FunnelIndex.create(':memory:', { dim, autoOptimize: false });
  if (source) await index.syncFrom(source);
  else await index.upsert({ ids: Array.from({ length: rows.length / dim }, (_, row) => row), vectors: rows });
  await index.optimize();
  return index;
}
