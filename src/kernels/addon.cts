// Finds and loads the prebuilt binary. CommonJS in both builds, because only `require` loads a .node file by path.
// Nothing is required before it is needed: in a bundle of ES modules there may be no `require` and no `__dirname`, and
// then this must fail as a missing binary does, not at import.
import type * as fs from 'node:fs';
import type * as path from 'node:path';

/** dist/{esm,cjs}/kernels → the package. */
function inPackage(...parts: string[]): string {
  return (require('node:path') as typeof path).join(__dirname, '..', '..', '..', ...parts);
}

/** 'linux-x64', 'linux-x64-musl', 'darwin-arm64', ... */
export function platformName(): string {
  return `${process.platform}-${process.arch}${isMusl() ? '-musl' : ''}`;
}

/** The binary that a developer built comes first, then the one in the package. */
export function addonPaths(): string[] {
  return [inPackage('build', 'Release', 'funnelvec.node'), inPackage('prebuilds', platformName(), 'funnelvec.node')];
}

/** Throws when there is none, or when none loads. */
export function loadAddon(): { path: string; levels: Record<string, unknown> } {
  const { existsSync } = require('node:fs') as typeof fs;
  const failures: string[] = [];
  for (const path of addonPaths().filter((one) => existsSync(one))) {
    try {
      return { path, levels: require(path) };
    } catch (error) {
      failures.push(`${path} does not load: ${(error as Error).message}`);
    }
  }
  if (failures.length > 0) throw new Error(failures.join('; '));
  throw new Error(
    `No prebuilt binary for ${platformName()} in this package (looked for ${addonPaths().join(' and ')})`,
  );
}

function isMusl(): boolean {
  if (process.platform !== 'linux') return false;
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  const before = report.excludeNetwork;
  report.excludeNetwork = true; // else it may look up host names
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
  if (before !== undefined) report.excludeNetwork = before;
  return header?.glibcVersionRuntime === undefined;
}
