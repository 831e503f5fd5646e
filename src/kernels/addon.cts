// Finds and loads the prebuilt binary. CommonJS in both builds, because only `require` loads a .node file by path.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** dist/{esm,cjs}/kernels → the package. */
const root = join(__dirname, '..', '..', '..');

/** 'linux-x64', 'linux-x64-musl', 'darwin-arm64', ... */
export function platformName(): string {
  return `${process.platform}-${process.arch}${isMusl() ? '-musl' : ''}`;
}

/** The binary that a developer built comes first, then the one in the package. */
export function addonPaths(): string[] {
  return [join(root, 'build', 'Release', 'funnelvec.node'), join(root, 'prebuilds', platformName(), 'funnelvec.node')];
}

/** Throws when there is none, or when it does not load. */
export function loadAddon(): { path: string; levels: Record<string, unknown> } {
  const paths = addonPaths();
  const path = paths.find((p) => existsSync(p));
  if (path === undefined) {
    throw new Error(`No prebuilt binary for ${platformName()} in this package (looked for ${paths.join(' and ')})`);
  }
  return { path, levels: require(path) };
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
