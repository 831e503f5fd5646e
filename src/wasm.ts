/**
 * `funnelvec/wasm`: the same API with nothing native behind it. The module is embedded: no file is looked up, nothing
 * fetched. Where bytes may not be compiled, `useWasmModules()` takes compiled ones.
 */
export { FunnelError } from './core/errors.js';
export { doublingPlan, funnelPlan, tutorialPlan } from './funnel/plan.js';
export { useWasmModules, type WasmModules } from './kernels/wasm-module.js';
export { fromMilvus } from './sources/milvus/from-milvus.js';
export { fromQdrant } from './sources/qdrant/from-qdrant.js';

import { type FunnelApi, makeFunnel } from './funnel/funnel.js';
import { checkedKernels } from './kernels/check.js';
import type { Kernels } from './kernels/kernels.js';
import { createWasmKernels as create } from './kernels/wasm.js';
import { FunnelSearchOn, type FunnelSearchOptions } from './query/search.js';
import { STAGES_ELSEWHERE } from './query/stages-elsewhere.js';

/** The kernels of a WASM instance of its own. Throws when this engine has no WASM SIMD. */
export function createWasmKernels(): Kernels {
  return checkedKernels(create());
}

let kernels: Kernels | undefined;

/** Throws when this engine has no WASM SIMD. */
function wasmKernels(): Kernels {
  kernels ??= create();
  return kernels;
}

// One by one, and by the names of their types: editors then show the documentation of each.
const api: FunnelApi = makeFunnel(wasmKernels);
export const funnel: FunnelApi['funnel'] = api.funnel;
export const funnelAsync: FunnelApi['funnelAsync'] = api.funnelAsync;
export const funnelBatch: FunnelApi['funnelBatch'] = api.funnelBatch;
export const funnelBatchAsync: FunnelApi['funnelBatchAsync'] = api.funnelBatchAsync;

/** As `FunnelSearch` of the main entry. */
export class FunnelSearch extends FunnelSearchOn {
  /** @throws FunnelError BAD_ARGUMENT, BAD_PLAN, UNSUPPORTED (a mirror beside a source of several layouts) */
  constructor(options: FunnelSearchOptions) {
    super(options, wasmKernels, STAGES_ELSEWHERE);
  }
}

export type { FunnelErrorCode } from './core/errors.js';
export type * from './core/types.js';
export type { Explanation } from './funnel/explain.js';
export type { FunnelApi, FunnelOptions, FunnelRequest } from './funnel/funnel.js';
export type { Keep, Plan, PlanOptions } from './funnel/plan.js';
export type { SearchRequest, SearchResult } from './query/search.js';
