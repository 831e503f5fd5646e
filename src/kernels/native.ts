/** The C++ kernels (cpp/addon) behind the contract: one object per instruction set. */
import { loadAddon } from './addon.js';
import {
  type BadPosition,
  type FunnelTask,
  type KERNEL_NAMES,
  type Kernels,
  type Rows,
  SIGNATURES,
} from './kernels.js';
import { checkSignatures, type Raw } from './signatures.js';

type RawKernels = Record<(typeof KERNEL_NAMES)[number], Raw>;

/** Every level that this CPU and operating system run, best first. Throws when the binary cannot be loaded. */
export function loadNativeKernels(): { path: string; levels: Kernels[] } {
  const { path, levels, common, signatures } = loadAddon();
  checkSignatures(`The binary ${path}`, SIGNATURES, signatures());
  const kernels = Object.entries(levels).map(([name, level]) => bind(name, { ...common, ...level } as RawKernels));
  return { path, levels: kernels };
}

function bind(name: string, raw: RawKernels): Kernels {
  const { scores, norms, topK, funnel, scan, firstNonFinite } = SIGNATURES;
  return {
    name,
    scores: (task) => scores.pass(raw.scores, task) as BadPosition,
    norms: (task) => norms.pass(raw.norms, task) as BadPosition,
    topK: (scores, indices, keys) => topK.pass(raw.topK, { scores, indices, keys }) as number,
    funnel: (task) => funnel.pass(raw.funnel, task as Required<FunnelTask>) as BadPosition,
    funnelBatch: (tasks) => list<BadPosition[]>(raw.funnelBatch, tasks.flatMap(funnelArguments)),
    funnelBatchAsync: async (tasks) => list(raw.funnelBatchAsync, tasks.flatMap(funnelArguments)),
    scan: (task) => scan.pass(raw.scan, task) as BadPosition,
    scanAsync: async (task) => {
      const [bad] = await list<Promise<[BadPosition]>>(raw.scanAsync, scan.pass(listed, task) as unknown[]);
      return bad;
    },
    firstNonFinite: (rows: Rows) => firstNonFinite.pass(raw.firstNonFinite, { rows }) as BadPosition,
  };
}

function funnelArguments(task: FunnelTask): unknown[] {
  return SIGNATURES.funnel.pass(listed, task as Required<FunnelTask>) as unknown[];
}

function listed(...args: unknown[]): unknown[] {
  return args;
}

function list<T>(raw: Raw, args: unknown[]): T {
  return (raw as (args: unknown[]) => T)(args);
}
