/** The optional packages as they are installed: versions, and which do not work. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { PackageName } from '../core/packages.js';

/** Why a version of a package does not work on a version of Node.js, and the remedy; undefined where it does. */
export function whyNot(
  name: PackageName,
  version: string | undefined,
  node = process.versions.node,
): string | undefined {
  if (name !== '@qdrant/js-client-rest' || version === undefined || process.versions.bun !== undefined)
    return undefined;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 1 || minor >= 19 || Number.parseInt(node, 10) < 26) return undefined;
  return `its undici fails on Node.js 26 and newer: npm install ${name}@1.19`;
}

const require = createRequire(import.meta.url);
/** Those that are there: a look into each of the others is an error to throw, for every package. */
const folders = (require.resolve.paths('any') ?? []).filter((folder) => existsSync(folder));

/** The version that would be loaded; undefined where the package is not installed. */
export function versionOf(name: PackageName): string | undefined {
  for (const folder of folders) {
    try {
      return (JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')) as { version: string }).version;
    } catch {
      // the next one
    }
  }
  try {
    // Another way of installing: what is loaded lies somewhere below the folder of its package.
    for (let folder = dirname(require.resolve(name)); folder !== dirname(folder); folder = dirname(folder)) {
      try {
        const found = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
          name: string;
          version: string;
        };
        if (found.name === name) return found.version;
      } catch {
        // a folder within the package
      }
    }
  } catch {
    // not installed
  }
  return undefined;
}
