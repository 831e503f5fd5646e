// The kernels alone, by backend, dims and kind of rows. One process per backend and kind, taking turns.
import { open, quantile, takeTurns } from './measure.mjs';

/** Rows of a candidate set, hot in the caches. */
export const CANDIDATES = 128;
/** Values of the scanned matrix: 64 MiB of float32. */
export const SCAN_VALUES = 1 << 24;
const DIMS = [64, 128, 256, 512, 768, 1024, 1536];

export async function kernelsSuite({ quick, log, backends }) {
  const dims = quick ? [128, 768] : DIMS;
  const tables = [];
  for (const kind of ['f32', 'f16']) {
    const contenders = [];
    try {
      for (const backend of backends) {
        contenders.push(
          await open(process.execPath, ['bench/kernel-contender.mjs', kind], { FUNNELVEC_KERNELS: backend }),
        );
      }
      for (const kernel of ['scores', 'funnel', 'scan']) {
        log(`kernels: ${kernel} on ${kind} rows`);
        const lines = [];
        for (const dim of dims) {
          const effort = quick ? { rounds: 3, ms: 20 } : { rounds: kernel === 'scan' ? 3 : 7, ms: 50 };
          const times = await takeTurns(contenders, { task: `${kernel} ${dim}`, ...effort });
          const rows = kernel === 'scan' ? Math.floor(SCAN_VALUES / dim) : CANDIDATES;
          lines.push({
            dim,
            rows,
            micros: Object.fromEntries(backends.map((name, i) => [name, quantile(times[i], 0.5)])),
          });
        }
        tables.push({ kernel, kind, lines });
      }
    } finally {
      for (const { close } of contenders) await close();
    }
  }
  return { backends, tables };
}
