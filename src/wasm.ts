/** The `funnelvec/wasm` entry: nothing native behind it. */
export { createWasmKernels } from './kernels/wasm.js';
