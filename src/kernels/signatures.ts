/**
 * Signatures: how the members of a task are passed to native and WASM code, one by one and in which order. A kernel's
 * signature is stated once, beside its task (kernels.ts, codes-scan.ts and so on); the native binding and the WASM marshalling call by
 * it, the names of all kernels are its keys, and loading compares it with what the binary says of itself.
 *
 * An argument is a type and a name:
 *
 *     u8[] plane     a typed array      u16[n] bits     one whose length belongs to the call
 *     size dims      a whole number     f64 scale       any number
 *     rows rows      float32, or the bits of float16    rows[] chunks   a list of such
 *     metric metric  a metric, passed as its code       out f64[] keys  an array that the kernel writes into
 *     flag finite    a boolean
 */
import { METRICS, type Metric, type Rows } from '../core/metrics.js';

interface Types {
  u8: Uint8Array;
  u16: Uint16Array;
  i16: Int16Array;
  u32: Uint32Array;
  i32: Int32Array;
  f32: Float32Array;
  f64: Float64Array;
}

type Same<A, B> = [A, B] extends [B, A] ? true : false;

/** The words for the type of a value. */
type WordOf<V> = [V] extends [number]
  ? 'size' | 'f64'
  : Same<V, boolean> extends true
    ? 'flag'
    : Same<V, Metric> extends true
      ? 'metric'
      : Same<V, Rows> extends true
        ? 'rows'
        : Same<V, readonly Rows[]> extends true
          ? 'rows[]'
          : {
              [K in keyof Types]: Same<V, Types[K]> extends true ? `${'' | 'out '}${K}${'[]' | '[n]'}` : never;
            }[keyof Types];

/** A task with the members of its bound among its own. */
type Flat<T> = T extends { bound: infer B } ? Omit<T, 'bound'> & B : T;

type ArgumentOf<T> = { [K in keyof T & string]: `${WordOf<T[K]>} ${K}` }[keyof T & string];

type NameOf<A> = A extends `out ${string} ${infer N}` ? N : A extends `${string} ${infer N}` ? N : never;

declare const named: unique symbol;

/** A value that only the argument of its name takes. */
export type Named<N, V> = V & { readonly [named]: N };

/** The code of a metric in native and WASM code. */
export function metricCode<N>(metric: Named<N, Metric>): Named<N, number>;
export function metricCode(metric: Metric): number;
export function metricCode(metric: Metric): number {
  return METRICS.indexOf(metric);
}

type NamedTask<T> = {
  [K in keyof T]: T[K] extends object ? (K extends 'bound' ? NamedTask<T[K]> : Named<K, T[K]>) : Named<K, T[K]>;
};

type Passed<A extends readonly string[], F> = {
  [I in keyof A]: NameOf<A[I]> extends infer N extends keyof F ? Named<N, F[N] extends Metric ? number : F[N]> : never;
};

/** The members of a task that the arguments lack: an error that names them. */
type Whole<A extends readonly string[], F> =
  Exclude<keyof F, NameOf<A[number]>> extends never ? unknown : { missing: Exclude<keyof F, NameOf<A[number]>> };

/** A function of native or WASM code. */
export type Raw = (...args: never[]) => unknown;

export interface Signature<T> {
  readonly arguments: readonly string[];
  /** Calls a function with a task's members in order: as one expression, since a loop over names took 100 ns more a call. */
  pass(raw: Raw, task: T): unknown;
}

/** A signature for each kernel of an interface whose methods take one task. */
export type SignaturesOf<K extends { [N in keyof K]: (task: never) => unknown }> = {
  readonly [N in keyof K]: Signature<Parameters<K[N]>[0]>;
};

/**
 * A signature. The types demand each member of the task once, under a word for its type, and the call in the same order:
 * a number in another one's place does not compile.
 */
export function signature<T>() {
  return <const A extends readonly ArgumentOf<Flat<T>>[]>(
    args: A & Whole<A, Flat<T>>,
    pass: (call: (...args: Passed<A, Flat<T>>) => unknown, task: NamedTask<T>) => unknown,
  ): Signature<T> => ({ arguments: args, pass: pass as unknown as Signature<T>['pass'] });
}

/**
 * Compares signatures with those of a binary.
 *
 * @throws Error that names the first function that is missing or takes other arguments
 */
export function checkSignatures(
  what: string,
  ours: Record<string, { readonly arguments: readonly string[] }>,
  theirs: Record<string, readonly string[]>,
): void {
  for (const [name, { arguments: wanted }] of Object.entries(ours)) {
    const given = theirs[name];
    if (given === undefined) throw new Error(`${what} is of another version: it lacks ${name}`);
    if (given.join() !== wanted.join()) {
      throw new Error(`${what} is of another version: ${name} takes (${given.join(', ')}), not (${wanted.join(', ')})`);
    }
  }
}
