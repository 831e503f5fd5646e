/** In place of wasm-binary.ts in workerd, which compiles nothing from bytes but imports modules. */
import module from './kernels.wasm';

export const WASM_KERNELS: string | object = module;
