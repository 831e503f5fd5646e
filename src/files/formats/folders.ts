/** Folders that are one set of rows: what save_to_disk() of Hugging Face's `datasets` leaves. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FunnelError } from '../../core/errors.js';
import { badFile, unreadable } from './reader.js';

/** The files of each path in their order: a folder's own where it tells them, else the path. @throws FunnelError */
export function filesIn(paths: readonly string[]): string[] {
  return paths.flatMap((path) => (isFolder(path) ? (dataFilesOf(path) ?? [path]) : [path]));
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** @throws FunnelError BAD_ARGUMENT: a folder of several sets; UNSUPPORTED: rows in an order of their own; CORRUPT */
function dataFilesOf(folder: string): string[] | undefined {
  const splits = jsonIn(folder, 'dataset_dict.json')?.['splits'];
  if (Array.isArray(splits)) {
    const named = splits.map((split) => join(folder, String(split))).join(', ');
    throw badFile('BAD_ARGUMENT', `one data set (${named})`, folder, `the folder of ${splits.length}`);
  }
  const state = jsonIn(folder, 'state.json');
  const files = state?.['_data_files'];
  if (state === undefined || files === undefined) return undefined;
  const indices = state['_indices_data_files'];
  if (Array.isArray(indices) && indices.length > 0) {
    const what = 'a data set whose rows are written in their order (flatten_indices() before save_to_disk())';
    throw badFile('UNSUPPORTED', what, folder, 'one with indices');
  }
  const names = Array.isArray(files) ? files.map((file) => (file as { filename?: unknown } | null)?.filename) : [];
  if (names.length === 0 || !names.every((name) => typeof name === 'string' && name !== '')) {
    throw badFile('CORRUPT', 'a state.json with the names of files', folder, JSON.stringify(files));
  }
  return names.map((name) => join(folder, name as string));
}

function jsonIn(folder: string, name: string): Record<string, unknown> | undefined {
  const path = join(folder, name);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unreadable(path, error);
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
    throw new Error(text.slice(0, 40));
  } catch (cause) {
    throw new FunnelError('CORRUPT', `Expected JSON for ${path} but received ${(cause as Error).message}`, { cause });
  }
}
