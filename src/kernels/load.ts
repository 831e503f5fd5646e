/** Chooses the kernels: native → wasm → js, once, at first use. Every failure on the way is kept and told. */
import { describe, FunnelError } from '../core/errors.js';
import { architecture, variable } from '../core/host.js';
import { addonPaths, platformName } from './addon.js';
import { checkedKernels } from './check.js';
import type { Kernels } from './kernels.js';
import { loadNativeKernels } from './native.js';
import { reference } from './reference.js';
import { createWasmKernels } from './wasm.js';
import { wasmModulesGiven } from './wasm-module.js';

/** The instruction sets of cpp/isa, from the fastest to the last resort. */
export const NATIVE_NAMES = ['avx512vnni', 'avx512', 'avx2', 'neon', 'scalar'] as const;

/** A backend: an instruction set of the native binary, WebAssembly SIMD, or plain JavaScript. */
export type KernelsName = (typeof NATIVE_NAMES)[number] | 'wasm' | 'js';

const ORDER: readonly KernelsName[] = [...NATIVE_NAMES, 'wasm', 'js'];
const NATIVE = new Set<string>(NATIVE_NAMES);

/** A backend, and whether it runs here. */
export interface KernelsInfo {
  /** The name that useKernels() takes. */
  name: KernelsName;
  /** Can it run here? */
  supported: boolean;
  /** Is it the one in use? */
  active: boolean;
  /** Why it cannot run. */
  reason?: string;
}

interface Loaded {
  kernels: Map<string, Kernels>;
  failures: Map<string, Error>;
  /** The binary behind the native levels. */
  nativePath?: string;
  /** Calls of useWasmModules() before. */
  modules: number;
}

let loaded: Loaded | undefined;
let active: Kernels | undefined;
/** Nobody named the active ones. */
let isDefault = false;

/**
 * Every backend that funnelvec has, fastest first, and whether it runs here. None is active where `FUNNELVEC_KERNELS`
 * names one that cannot run.
 */
export function listKernels(): KernelsInfo[] {
  const { kernels, failures } = load();
  const current = activeName();
  return ORDER.map((name) => {
    const supported = kernels.has(name);
    const info: KernelsInfo = { name, supported, active: name === current };
    if (!supported) info.reason = failures.get(name)?.message ?? failures.get('native')?.message ?? notForThisCpu(name);
    return info;
  });
}

/**
 * Makes one backend the one in use in this thread, and returns it. `'native'` stands for the best native level.
 *
 * @throws FunnelError KERNELS_UNAVAILABLE when the name is unknown or cannot run here; it lists what can.
 */
export function useKernels(name: KernelsName | 'native'): Kernels {
  active = getKernels(name, 'useKernels()');
  isDefault = false;
  return checkedKernels(active);
}

/** The backend in use: `FUNNELVEC_KERNELS` when set, else the fastest that runs here. */
export function activeKernels(): Kernels {
  if (isDefault && loaded?.modules !== wasmModulesGiven()) load();
  if (active === undefined) {
    const wanted = variable('FUNNELVEC_KERNELS');
    isDefault = !wanted;
    active = wanted ? getKernels(wanted, 'FUNNELVEC_KERNELS') : best();
  }
  return active;
}

/** A backend by name, without making it the one in use. Throws as {@link useKernels} does. */
export function getKernels(name: string, where = 'getKernels()'): Kernels {
  const { kernels, failures } = load();
  const found = name === 'native' ? ORDER.find((n) => NATIVE.has(n) && kernels.has(n)) : name;
  const backend = found === undefined ? undefined : kernels.get(found);
  if (backend !== undefined) return backend;
  const known = name === 'native' || (ORDER as readonly string[]).includes(name);
  const what = known
    ? `${name} cannot run here`
    : `${typeof name === 'string' ? JSON.stringify(name) : describe(name)} is not the name of any kernels`;
  const cause = failures.get(name) ?? (NATIVE.has(name) || name === 'native' ? failures.get('native') : undefined);
  const why = known ? ` (${cause?.message ?? notForThisCpu(name)})` : '';
  throw new FunnelError(
    'KERNELS_UNAVAILABLE',
    `${where}: ${what}${why}. Expected one of ${[...kernels.keys()].join(', ')}`,
    { cause },
  );
}

/** The report of `funnelvec doctor`: the binary in use, and why anything failed to load. */
export function kernelsReport(): {
  platform: string;
  nativePath?: string;
  searched: string[];
  failures: Map<string, Error>;
} {
  const { nativePath, failures } = load();
  return { platform: platformName(), nativePath, searched: addonPaths(), failures };
}

function activeName(): string | undefined {
  try {
    return activeKernels().name;
  } catch {
    return undefined; // who uses the kernels gets the error
  }
}

function load(): Loaded {
  const modules = wasmModulesGiven();
  if (loaded !== undefined) {
    if (loaded.modules !== modules) loadWasm(loaded);
    loaded.modules = modules;
    return loaded;
  }
  const result: Loaded = { kernels: new Map(), failures: new Map(), modules };
  try {
    const { path, levels } = loadNativeKernels();
    result.nativePath = path;
    for (const level of levels) result.kernels.set(level.name, level);
  } catch (error) {
    result.failures.set('native', error as Error);
  }
  loadWasm(result);
  result.kernels.set('js', reference);
  loaded = result;
  return result;
}

/** Once more where a module was handed in after none could be compiled. */
function loadWasm({ kernels, failures }: Loaded): void {
  if (kernels.has('wasm')) return;
  try {
    kernels.set('wasm', createWasmKernels());
    failures.delete('wasm');
    if (isDefault) active = undefined; // others were in use for want of these
  } catch (error) {
    failures.set('wasm', error as Error);
  }
}

function best(): Kernels {
  const { kernels } = load();
  return kernels.get(ORDER.find((name) => kernels.has(name))!)!;
}

function notForThisCpu(name: string): string {
  return `this ${architecture()} processor or its operating system does not support ${name}`;
}
