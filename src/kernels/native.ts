/** The C++ kernels (cpp/addon.cc) behind the contract: one object per instruction-set level. */
import { loadAddon } from './addon.js';
import {
  type BadPosition,
  type FunnelTask,
  KERNEL_NAMES,
  type Kernels,
  METRICS,
  type Rows,
  type ScanTask,
} from './kernels.js';

type Raw = (...args: unknown[]) => never;
type RawLevel = Record<(typeof KERNEL_NAMES)[number], Raw>;

/** Every level that this CPU and operating system run, best first. Throws when the binary cannot be loaded. */
export function loadNativeKernels(): { path: string; levels: Kernels[] } {
  const { path, levels } = loadAddon();
  const kernels = Object.entries(levels).map(([name, raw]) => {
    const missing = KERNEL_NAMES.filter((kernel) => typeof (raw as RawLevel)[kernel] !== 'function');
    if (missing.length > 0) throw new Error(`The binary ${path} is of another version: it lacks ${missing.join(', ')}`);
    return bind(name, raw as RawLevel);
  });
  return { path, levels: kernels };
}

function bind(name: string, raw: RawLevel): Kernels {
  return {
    name,
    scores: ({ metric, query, rows, dim, from, to, keys }) =>
      raw.scores(METRICS.indexOf(metric), query, rows, dim, from, to, keys),
    norms: ({ rows, dim, from, to, norms }) => raw.norms(rows, dim, from, to, norms),
    topK: (scores, indices, keys) => raw.topK(scores, indices, keys),
    funnel: ({ metric, query, rows, dim, scales, keep, indices, keys }): BadPosition =>
      raw.funnel(METRICS.indexOf(metric), query, rows, dim, scales, keep, indices, keys),
    funnelBatch: (tasks) => raw.funnelBatch(tasks.flatMap(funnelArguments)),
    funnelBatchAsync: async (tasks) => raw.funnelBatchAsync(tasks.flatMap(funnelArguments)),
    scan: (task) => raw.scan(...scanArguments(task)),
    scanAsync: async (task) => ((await raw.scanAsync(scanArguments(task))) as BadPosition[])[0]!,
    firstNonFinite: (rows: Rows) => raw.firstNonFinite(rows),
  };
}

/** In the order that addon.cc unwraps. */
function funnelArguments(t: FunnelTask): unknown[] {
  return [METRICS.indexOf(t.metric), t.query, t.rows, t.dim, t.scales, t.keep, t.indices, t.keys];
}

function scanArguments(t: ScanTask): unknown[] {
  return [METRICS.indexOf(t.metric), t.query, t.rows, t.dim, t.to, t.indices, t.keys];
}
