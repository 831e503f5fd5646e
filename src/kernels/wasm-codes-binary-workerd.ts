/** In place of wasm-codes-binary.ts in workerd, which compiles nothing from bytes but imports modules. */
import module from './codes.wasm';

export const WASM_CODES: string | object = module;
