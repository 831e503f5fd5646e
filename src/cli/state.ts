/**
 * The command's notes on a store: which model made its vectors, how far which inputs were ingested, and the plan that
 * tune chose. They are a small JSON file: in the folder of an embedded index, or in the user's state folder for a
 * database.
 */
import * as fs from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { FunnelError } from '../core/errors.js';
import type { Metric } from '../core/types.js';
import type { Fingerprint } from '../files/fingerprint.js';
import type { Mapping } from '../files/mapping.js';
import { makeFolder, NOTES_FILE } from '../store/files/folder.js';
import type { ModelState } from './model.js';
import type { NamedVectors } from './stores/store.js';

export const STATE_FILE = NOTES_FILE;
const FORMAT = 1;

export interface SourceState extends Fingerprint {
  mapping: Mapping;
  /** The place of its first row in the whole input. */
  first: number;
  /** Rows of the file that are safely in the store, or were skipped. */
  rows: number;
  /** RowsHash of these; absent of Parquet and .npy. */
  rowsHash?: string;
  skipped: number;
  complete: boolean;
}

export interface CommandState {
  format: typeof FORMAT;
  dim: number;
  metric: Metric;
  /** Dims of the head vectors; of an index without: null. */
  head: number | null;
  idKind: 'number' | 'string';
  /** Where a database has the vectors, under other names than the command's own. */
  vectors?: NamedVectors;
  /** Absent where the vectors came with the rows. */
  embedder?: ModelState;
  sources: SourceState[];
  /** The choice of tune, as src/cli/tune.ts wrote it. */
  plan?: unknown;
}

/** Undefined where there is none. @throws FunnelError CORRUPT, UNSUPPORTED_FORMAT, DISK */
export function readState(path: string): CommandState | undefined {
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new FunnelError('DISK', `Reading ${path} failed: ${message}`, { cause });
  }
  let state: Partial<CommandState>;
  try {
    state = JSON.parse(text) as Partial<CommandState>;
  } catch (cause) {
    throw new FunnelError('CORRUPT', `Expected JSON in ${path} but received ${(cause as Error).message}`, { cause });
  }
  if (typeof state?.format === 'number' && state.format > FORMAT) {
    throw new FunnelError('UNSUPPORTED_FORMAT', `${path} is of format ${state.format}: a newer funnelvec wrote it`);
  }
  if (state?.format !== FORMAT || typeof state.dim !== 'number' || !Array.isArray(state.sources)) {
    throw new FunnelError('CORRUPT', `Expected what funnelvec ingest writes in ${path} but it is something else`);
  }
  return state as CommandState;
}

/** All or nothing of it survives a crash. @throws FunnelError DISK */
export function writeState(path: string, state: CommandState): void {
  writeJson(path, state);
}

/** As writeState(). */
export function writeJson(path: string, value: unknown): void {
  const aside = `${path}.${process.pid}.tmp`;
  try {
    makeFolder(dirname(path));
    const file = fs.openSync(aside, 'w');
    try {
      fs.writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
    fs.renameSync(aside, path);
  } catch (cause) {
    fs.rmSync(aside, { force: true });
    throw new FunnelError('DISK', `Writing ${path} failed: ${(cause as Error).message}`, { cause });
  }
}

/** Where tune keeps all that it found, for the report. */
export function tuneFileOf(stateFile: string): string {
  return stateFile.replace(/\.json$/, '-tune.json');
}

export function removeState(path: string): void {
  fs.rmSync(path, { force: true });
}

/** Where the state of a database's collection is. */
export function stateFileOf(
  env: Readonly<Record<string, string | undefined>>,
  kind: 'milvus' | 'qdrant',
  address: string,
  collection: string,
): string {
  const folder =
    env['FUNNELVEC_STATE'] ?? join(env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'funnelvec');
  const host = address.replace(/^\w+:\/\//, '').replace(/\/+$/, '');
  return join(folder, `${[kind, host, collection].map((part) => encodeURIComponent(part)).join('-')}.json`);
}
