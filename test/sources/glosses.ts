/** Real Matryoshka embeddings for the suite's comparison of funnels: WordLlama of WordNet's glosses. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { FunnelData } from 'funnelvec/source/conformance';
import type { loadGlosses } from '../../scripts/data/glosses.mjs';

export const funnelsOverGlosses: FunnelData = {
  name: 'WordLlama embeddings of WordNet glosses, 256 dims',
  headDim: 64,
  metric: 'cosine',
  plan: { candidates: 128, scales: [128, 192, 256], keep: 0.5, limit: 10 },
  data: async () => {
    const path = pathToFileURL(resolve('scripts/data/glosses.mjs')).href;
    const module = (await import(path)) as { loadGlosses: typeof loadGlosses };
    const { dim, rows, queryRows } = await module.loadGlosses({ count: 3000 });
    const queries = Array.from({ length: 25 }, (_, i) => queryRows.slice(i * dim, (i + 1) * dim));
    return { dim, vectors: rows, queries };
  },
};
