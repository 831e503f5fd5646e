/** Finds and loads the native binary: that of the package for this platform, or one that was built here. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
// By its default export: webpack makes `createRequire` undefined where it is imported by name.
import nodeModule from 'node:module';
import path from 'node:path';
import { distFolder, places, VERSION } from '../core/places.js';
import type { Raw } from './signatures.js';

/** 'linux-x64', 'linux-x64-musl', 'darwin-arm64', ... */
export function platformName(): string {
  return `${process.platform}-${process.arch}${isMusl() ? '-musl' : ''}`;
}

/** Where a binary is looked for, in this order. */
export function addonPaths(): string[] {
  const packages = places().map((from) => `${packageName()}, as ${from} finds packages`);
  const own = ownBuild();
  return own === undefined ? packages : [...packages, own];
}

function packageName(): string {
  return `@funnelvec/${platformName()}`;
}

/** The binary that node-gyp makes in a clone. */
function ownBuild(): string | undefined {
  const dist = distFolder();
  return dist === undefined ? undefined : path.join(dist, '..', '..', 'build', 'Release', 'funnelvec.node');
}

/** A binary's path and its exports; undefined where there is none. Throws when what is there is no good. */
function fromPackage(from: string): { path: string; addon: Addon } | undefined {
  const resolver = nodeModule.createRequire(from);
  let file: string;
  try {
    file = resolver.resolve(packageName());
  } catch {
    return undefined;
  }
  const { version } = resolver(`${packageName()}/package.json`) as { version: string };
  if (version !== VERSION) throw new Error(`it is of version ${version}, and this is funnelvec ${VERSION}`);
  return { path: file, addon: resolver(packageName()) as Addon };
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
  const failures: string[] = [];
  for (const from of places()) {
    try {
      const found = fromPackage(from);
      if (found !== undefined) return { path: found.path, ...found.addon };
    } catch (error) {
      failures.push(`${packageName()} does not load: ${(error as Error).message}`);
    }
  }
  const own = ownBuild();
  if (own !== undefined && existsSync(own)) {
    try {
      const load = nodeModule.createRequire(own); // not `require`, which bundlers would follow
      return { path: own, ...(load(own) as Addon) };
    } catch (error) {
      failures.push(`${own} does not load: ${(error as Error).message}`);
    }
  }
  if (failures.length > 0) throw new Error([...new Set(failures)].join('; '));
  throw new Error(`No prebuilt binary for ${platformName()} (looked for ${addonPaths().join(' and ')})`);
}

let musl: boolean | undefined;

function isMusl(): boolean {
  musl ??= findMusl();
  return musl;
}

function findMusl(): boolean {
  if (process.platform !== 'linux') return false;
  const loader = programLoader();
  if (loader !== undefined) return loader.startsWith('musl');
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  const before = report.excludeNetwork;
  report.excludeNetwork = true; // else it may look up host names
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } };
  if (before !== undefined) report.excludeNetwork = before;
  return header?.glibcVersionRuntime === undefined;
}

/** The kind of loader that the running program names in its header; undefined where that cannot be read. A report takes 5 ms. */
function programLoader(): string | undefined {
  if (process.versions['deno'] !== undefined) return undefined; // it asks its user before it reads there
  try {
    const file = openSync('/proc/self/exe', 'r');
    try {
      const header = Buffer.alloc(4096);
      readSync(file, header, 0, header.length, 0);
      return /\0\/[^\0]*\/ld-((?:linux|musl)[^\0]*)\0/.exec(header.toString('latin1'))?.[1];
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
}
