/** Finds and loads the prebuilt binary. In a bundle, which has none, this fails as a missing binary does. */
import { existsSync } from 'node:fs';
// By its default export: webpack makes `createRequire` undefined where it is imported by name.
import module from 'node:module';
import path from 'node:path';
import { distFolder } from '../core/places.js';
import type { Raw } from './signatures.js';

/** dist/{esm,cjs} → the package. */
function inPackage(...parts: string[]): string[] {
  const dist = distFolder();
  return dist === undefined ? [] : [path.join(dist, '..', '..', ...parts)];
}

/** 'linux-x64', 'linux-x64-musl', 'darwin-arm64', ... */
export function platformName(): string {
  return `${process.platform}-${process.arch}${isMusl() ? '-musl' : ''}`;
}

/** The binary that a developer built comes first, then the one in the package. */
export function addonPaths(): string[] {
  return [
    ...inPackage('build', 'Release', 'funnelvec.node'),
    ...inPackage('prebuilds', platformName(), 'funnelvec.node'),
  ];
}

/** The exports of cpp/addon/addon.cc. */
export interface Addon {
  /** The kernels of every instruction set that runs here, by its name, best first. */
  levels: Record<string, Record<string, Raw>>;
  /** Functions that no instruction set changes. */
  common: Record<string, Raw>;
  /** The arguments of all that take a task's members, in the words of signatures.ts. */
  signatures(): Record<string, readonly string[]>;
  /** By name: the features of a processor that an instruction set asks for, as Linux names them. */
  needs(): Record<string, readonly string[]>;
}

/** Throws when there is none, or when none loads. */
export function loadAddon(): Addon & { path: string } {
  const paths = addonPaths();
  if (paths.length === 0) throw new Error(`No binary in a bundle: leave 'funnelvec' external to have one`);
  const failures: string[] = [];
  for (const file of paths.filter((one) => existsSync(one))) {
    try {
      const load = module.createRequire(file); // not `require`, which bundlers would follow
      return { path: file, ...(load(file) as Addon) };
    } catch (error) {
      failures.push(`${file} does not load: ${(error as Error).message}`);
    }
  }
  if (failures.length > 0) throw new Error(failures.join('; '));
  throw new Error(`No prebuilt binary for ${platformName()} in this package (looked for ${paths.join(' and ')})`);
}

let musl: boolean | undefined;

function isMusl(): boolean {
  musl ??= findMusl();
  return musl;
}

function findMusl(): boolean {
  if (process.platform !== 'linux') return false;
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  const before = report.excludeNetwork;
  report.excludeNetwork = true; // else it may look up host names
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
  if (before !== undefined) report.excludeNetwork = before;
  return header?.glibcVersionRuntime === undefined;
}
