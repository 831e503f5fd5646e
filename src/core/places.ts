/**
 * Where this code is, in the package or inlined by a bundler: from there the package's other files are found, and packages
 * that are loaded only when needed.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { moduleUrl } from './here.js';
import { VERSION } from './version.js';

export { traced } from './traced.js';
export { VERSION };

/**
 * Files that this code may be part of, the surest first. In a CommonJS bundle `__filename` is the bundle. Some bundlers write
 * the path that a module had when it was bundled, in place of `import.meta.url`; the program that was started is left then.
 */
export function places(): string[] {
  // An ES module has no `__filename`, and `typeof` does not tell, since webpack answers that when it bundles; nor is a path of
  // the machine that bundled always one of this machine.
  const all = [attempt(() => __filename), attempt(() => fileURLToPath(moduleUrl!)), process.argv[1]];
  return [...new Set(all.filter((file) => file !== undefined && path.isAbsolute(file)))] as string[];
}

function attempt(find: () => string): string | undefined {
  try {
    return find();
  } catch {
    return undefined;
  }
}

/** dist/esm or dist/cjs. Undefined in a bundle, unless it knows the package, and that is still the one it was made of. */
export function distFolder(): string | undefined {
  dist ??= { folder: findDist() };
  return dist.folder;
}

/** The path of a compiled module, for a thread; undefined where there is no such file. */
export function moduleFile(name: string): string | undefined {
  const folder = distFolder();
  const file = folder === undefined ? undefined : path.join(folder, name);
  return file !== undefined && existsSync(file) ? file : undefined;
}

/** Where a program of `bun build --compile` lies: it remembers where the package was, whose files it cannot run as threads. */
const IN_BUN = /^(\/\$bunfs|B:[\\/]~BUN)[\\/]/i;

let dist: { folder: string | undefined } | undefined;

function findDist(): string | undefined {
  if (IN_BUN.test(process.argv[1] ?? '')) return undefined;
  for (const file of places()) {
    const folder = path.join(file, '..', '..'); // dist/esm or dist/cjs: this is in a folder there
    // A bundle may lie where it looks like ours, and a bundle of another version must not get these files.
    if (existsSync(path.join(folder, 'core', 'here.js')) && isOurs(path.join(folder, '..', '..', 'package.json')))
      return folder;
  }
  return undefined;
}

function isOurs(manifest: string): boolean {
  try {
    return (JSON.parse(readFileSync(manifest, 'utf8')) as { version?: unknown }).version === VERSION;
  } catch {
    return false;
  }
}
