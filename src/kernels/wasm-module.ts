/** The WASM modules, compiled once per thread, or handed in where bytes may not be compiled. */
import { LITTLE_ENDIAN } from '../core/endian.js';
import { expected, FunnelError } from '../core/errors.js';
import { WASM_IDS } from './wasm-ids.js';

/** Compiled modules (`WebAssembly.Module`) of this version of the package: its `kernels.wasm` and `codes.wasm`. */
export interface WasmModules {
  /** The kernels of funnels, `funnelvec/kernels.wasm`. */
  kernels?: object;
  /** The code kernels of indexes, `funnelvec/codes.wasm`. */
  codes?: object;
}

/** The part of WebAssembly used here; @types/node does not declare it. */
interface ModuleApi {
  validate(bytes: Uint8Array): boolean;
  readonly Module: (new (
    bytes: Uint8Array,
  ) => object) & {
    customSections(module: object, name: string): ArrayBuffer[];
  };
}

const modules = new Map<keyof WasmModules, object>();
let given = 0;

/**
 * Takes compiled modules: where a page's policy or a runtime compiles no WebAssembly from bytes (a Content-Security-Policy
 * without 'wasm-unsafe-eval', Cloudflare's workerd), or to compile once for many workers. Before the first search: kernels
 * that run already stay.
 *
 * @throws FunnelError BAD_ARGUMENT for what is no such module, or one of another version of the package
 */
export function useWasmModules(compiled: WasmModules): void {
  if (typeof compiled !== 'object' || compiled === null) {
    throw expected('BAD_ARGUMENT', '{ kernels, codes }', 'the modules', compiled);
  }
  const all = Object.entries(compiled).filter(([, module]) => module !== undefined);
  for (const [name, module] of all) {
    if (name !== 'kernels' && name !== 'codes') {
      throw expected('BAD_ARGUMENT', 'kernels or codes', 'the name of a module', name);
    }
    checkModule(name, module);
  }
  for (const [name, module] of all) modules.set(name as keyof WasmModules, module as object);
  given++;
}

/** Grows with every call of {@link useWasmModules}: who could not compile before may try again. */
export function wasmModulesGiven(): number {
  return given;
}

/**
 * @param source the module, or its bytes as letters
 * @param lacks what an engine lacks that refuses it, for people
 * @throws FunnelError KERNELS_UNAVAILABLE
 */
export function wasmModule(name: keyof WasmModules, source: string | object, lacks: string): object {
  moduleApi();
  let module = modules.get(name);
  if (module === undefined) {
    module = typeof source === 'string' ? compiledFrom(source, lacks) : source;
    modules.set(name, module);
  }
  return module;
}

function compiledFrom(text: string, lacks: string): object {
  const api = moduleApi();
  const plain = bytesOf(text);
  const bytes = [fusedFrom(plain), plain].find((module) => api.validate(module));
  if (bytes === undefined) {
    throw new FunnelError('KERNELS_UNAVAILABLE', `This JavaScript engine's WebAssembly has no ${lacks}`);
  }
  try {
    return new api.Module(bytes);
  } catch (cause) {
    throw new FunnelError(
      'KERNELS_UNAVAILABLE',
      'No WebAssembly may be compiled from bytes here: hand a module in with useWasmModules(), or allow ' +
        "'wasm-unsafe-eval' in the Content-Security-Policy",
      { cause },
    );
  }
}

/**
 * The bytes that scripts/setup/build-wasm.mjs wrote as letters: one stands for one of 87 bytes from −4 on, the next ones have '!'
 * or '#' before them. A letter stays in one place of each byte, so that what repeats in a module repeats in its text, which a
 * page loads compressed: base64 takes two fifths more.
 */
function bytesOf(text: string): Uint8Array {
  // Code by code, since this runs once, before the engine makes it fast: letters as strings take four times as long.
  const bytes = new Uint8Array(text.length);
  let count = 0;
  let above = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 33) above = 87;
    else if (code === 35) above = 174;
    else {
      bytes[count++] = above + (code === 38 ? 92 : code) - 44;
      above = 0;
    }
  }
  return bytes.slice(0, count);
}

/**
 * A module whose multiplications and additions are one instruction each where an engine has that (relaxed SIMD): in place of
 * `f64x2.mul, local.get, f64x2.add` it has `nop, nop, nop, local.get, f64x2.relaxed_madd`. Only sums of assembly/lanes.ts are
 * written in that order, and products of float32 values are exact in float64, so that the bits are the same, fused or not.
 */
export function fusedFrom(plain: Uint8Array): Uint8Array {
  const bytes = plain.slice();
  const at = (i: number, ...wanted: number[]) => wanted.every((byte, j) => bytes[i + j] === byte);
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === 0xfd && at(i + 1, 0xf2, 1, 0x20) && at(i + 5, 0xfd, 0xf0, 1)) {
      bytes.fill(1, i, i + 3);
      bytes.set([0x87, 2], i + 6);
    }
  }
  return bytes;
}

function checkModule(name: keyof WasmModules, module: unknown): void {
  if (Object.prototype.toString.call(module) !== '[object WebAssembly.Module]') {
    throw expected('BAD_ARGUMENT', 'a WebAssembly.Module', name, module);
  }
  const [id] = moduleApi().Module.customSections(module as object, 'funnelvec');
  const text = id === undefined ? 'none' : String.fromCharCode(...new Uint8Array(id));
  if (text !== WASM_IDS[name]) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected the module of funnelvec/${name}.wasm of this version (${WASM_IDS[name]}) for ${name} but received one ` +
        `with the identity ${text}. Take the file from the package that is loaded`,
    );
  }
}

function moduleApi(): ModuleApi {
  if (!LITTLE_ENDIAN) {
    throw new FunnelError('KERNELS_UNAVAILABLE', 'WebAssembly has its bytes in another order than this processor');
  }
  const api = (globalThis as { WebAssembly?: ModuleApi }).WebAssembly;
  if (!api) throw new FunnelError('KERNELS_UNAVAILABLE', 'This JavaScript engine runs without WebAssembly');
  return api;
}
