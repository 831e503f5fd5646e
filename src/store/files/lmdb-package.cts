// Loads the optional package `lmdb` when an index has a path. CommonJS in both builds, because only `require` loads it
// without waiting; nothing is required before it is needed.

/** Throws what `require` throws. */
export function requireLmdb(): unknown {
  return require('lmdb');
}
