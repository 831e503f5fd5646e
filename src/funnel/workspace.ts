/** Memory for one call. Making a small typed array and showing it to native code costs more than filling it. */
export interface Workspace {
  /** For `length` packed values. */
  matrix(length: number): Float32Array;
  /** For the scales of a plan, and what it keeps. */
  stages(count: number): { scales: Uint32Array; keep: Uint32Array };
  /** For at least `count` results. */
  results(count: number): { indices: Uint32Array; keys: Float64Array };
}

/** Memory of its own, for calls that other calls may overtake. */
export const freshWorkspace: Workspace = {
  matrix: (length) => new Float32Array(length),
  stages: (count) => ({ scales: new Uint32Array(count), keep: new Uint32Array(count) }),
  results: (count) => ({ indices: new Uint32Array(count), keys: new Float64Array(count) }),
};

/** Values beyond which a matrix is not kept for the next call: 16 MiB. */
const MAX_KEPT = 1 << 22;

/** The same memory at every call: for calls that end before the next one starts. */
export function sharedWorkspace(): Workspace {
  let matrix: Float32Array = new Float32Array(0);
  let results = freshWorkspace.results(0);
  const stages = new Map<number, ReturnType<Workspace['stages']>>();
  return {
    matrix(length) {
      if (length > MAX_KEPT) return freshWorkspace.matrix(length);
      if (matrix.length < length) matrix = freshWorkspace.matrix(length);
      return matrix.subarray(0, length);
    },
    stages(count) {
      let found = stages.get(count);
      if (found === undefined) {
        found = freshWorkspace.stages(count);
        if (stages.size < 64) stages.set(count, found);
      }
      return found;
    },
    results(count) {
      if (count > MAX_KEPT) return freshWorkspace.results(count);
      if (results.keys.length < count) results = freshWorkspace.results(Math.max(count, 256));
      return results;
    },
  };
}
