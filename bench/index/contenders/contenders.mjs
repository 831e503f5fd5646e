// Who takes part: how each is started, what it is, and on which sets it is left out.

/** Rows above which building on few threads takes longer than its numbers are worth. */
const TOO_LONG = 200_000;

export const CONTENDERS = [
  { key: 'funnelvec', label: 'funnelvec', ours: true, module: 'funnelvec' },
  { key: 'faiss-flat', label: 'faiss IndexFlatIP', kind: 'exact', module: 'faiss_indexes', python: true },
  {
    key: 'faiss-panorama',
    label: 'faiss IndexFlatIPPanorama 16, PCA',
    kind: 'exact',
    module: 'faiss_indexes',
    python: true,
  },
  { key: 'faiss-hnsw', label: 'faiss HNSW32', kind: 'hnsw', module: 'faiss_indexes', python: true },
  { key: 'faiss-ivfpq', label: 'faiss IVF, PQ fast scan, refined', kind: 'ivf', module: 'faiss_indexes', python: true },
  { key: 'symphonyqg', label: 'SymphonyQG', kind: 'graph', module: 'rabitq', python: true },
  { key: 'rabitq-ivf', label: 'RaBitQ IVF, rows reranked', kind: 'ivf', module: 'rabitq', python: true },
  { key: 'scann', label: 'ScaNN, reordered', kind: 'codes', module: 'scann_tree', python: true },
  { key: 'turbovec', label: 'turbovec', kind: 'codes', module: 'turbovec_scan', python: true },
  { key: 'usearch-exact', label: 'usearch exact', kind: 'exact', module: 'usearch' },
  { key: 'usearch-hnsw', label: 'usearch HNSW', kind: 'hnsw', module: 'usearch', most: TOO_LONG },
  { key: 'hnswlib', label: 'hnswlib-node', kind: 'hnsw', module: 'hnswlib', most: TOO_LONG, serial: true },
  { key: 'zvec-hnsw', label: 'zvec HNSW', kind: 'hnsw', module: 'zvec', most: TOO_LONG },
  { key: 'lancedb-flat', label: 'LanceDB scan', kind: 'exact', module: 'lancedb', most: TOO_LONG },
  { key: 'lancedb-ivfpq', label: 'LanceDB IVF_PQ, refined', kind: 'ivf', module: 'lancedb', most: 10_000 },
];

/** Why a contender does not run on a set, or undefined. */
export function excuse({ most, serial }, { count, threads }) {
  if (most && count > most)
    return `left out above ${most.toLocaleString('en')} rows: its build would take too long here`;
  if (serial && threads > 1) return 'has one thread only';
  return undefined;
}
