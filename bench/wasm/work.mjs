// The work that run.mjs times, in Node.js and in a page: funnels and searches of an index, on the calling thread.
import { funnel } from 'funnelvec';
import { FunnelIndex } from 'funnelvec/store';

/**
 * @param {{ dim: number, rows: Float32Array, halves: Uint16Array, query: Float32Array, queries: Float32Array, plan: object,
 *   images: Record<string, Uint8Array> }} inputs
 * @returns functions by what they do; those that search an index do so on the kernels in use now
 */
export async function workOf({ dim, rows, halves, query, queries, plan, images }) {
  const work = {
    'funnel, float32': () => funnel({ vectors: rows, dim }, query, plan),
    'funnel, float16': () => funnel({ vectors: halves, dim }, query, plan),
  };
  for (const [name, image] of Object.entries(images)) {
    const index = await FunnelIndex.fromBytes(image, { threads: 1 });
    for (const mode of ['funnel', 'exact']) {
      let at = 0;
      work[`${name}, mode ${mode}`] = () => {
        at = (at + dim) % queries.length;
        return index.querySync({ vector: queries.subarray(at, at + dim), limit: 10, mode });
      };
    }
  }
  return work;
}

/** Microseconds a call; the caches are warm. */
export function timed(run, calls) {
  for (let i = 0; i < calls; i += 4) run();
  const began = performance.now();
  for (let i = 0; i < calls; i++) run();
  return ((performance.now() - began) * 1000) / calls;
}

/** How many calls take about so many milliseconds, once they are warm. */
export function callsIn(run, ms) {
  for (const end = performance.now() + 400; performance.now() < end; ) run();
  return Math.max(1, Math.round((ms * 1000) / timed(run, 20)));
}
