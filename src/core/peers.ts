/** Entries that extend classes of another package, which has to be there when they are loaded. */
import { isAbsence, missingPackage, type PackageName } from './packages.js';

/** Why an entry did not load, as an error that says what to install; another error as it is. */
export function peerError(name: PackageName, cause: unknown): unknown {
  if (isAbsence(cause, name)) return missingPackage(name, cause);
  // An older version lacks a name that is imported.
  const lacks = cause instanceof SyntaxError && cause.message.includes(name);
  return lacks ? missingPackage(name, cause, cause.message) : cause;
}

/** @throws FunnelError MISSING_PACKAGE, as its first import would fail without a word of what to install */
export async function withPeer<Entry>(name: PackageName, load: () => Promise<Entry>): Promise<Entry> {
  try {
    return await load();
  } catch (cause) {
    throw peerError(name, cause);
  }
}
