/**
 * Opens damaged copies of the index at argv[2] and compares what they hold with the model in argv[3] (JSON). Damages are
 * read from stdin, one a line: file, and a position with a mask to flip or a length to cut to. On stdout, for each: a line
 * before, and one with the result, so that the parent knows which one crashed.
 */
import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { FunnelError } from 'funnelvec';
import { IndexFiles } from '#dist/store/files/index-files.js';
import { appendRequest, applyAppend, applyDelete, difference, type Model } from './model.js';

export type Damage = { file: string; at: number; mask: number } | { file: string; length: number };

/** 'same': nothing was lost. 'error': a FunnelError. Anything else is what must not be. */
export type Result = 'same' | 'error' | string;

const [, , pristine, modelJson] = process.argv;
const plain = JSON.parse(modelJson!);
const model: Model = { ...plain, live: new Map(plain.live), segments: new Map(plain.segments) };
const damages = readFileSync(0, 'utf8').split('\n').filter(Boolean);

for (let i = 0; i < damages.length; i++) {
  writeSync(1, `${i} \n`);
  writeSync(1, `${i} ${attempt(JSON.parse(damages[i]!))}\n`);
}

function attempt(damage: Damage): Result {
  const folder = `${pristine}-damaged-${process.pid}`;
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  cpSync(pristine!, folder, { recursive: true });
  const path = join(folder, damage.file);
  if ('length' in damage) truncateSync(path, damage.length);
  else {
    const bytes = readFileSync(path);
    bytes[damage.at]! ^= damage.mask;
    writeFileSync(path, bytes);
  }
  const results = [true, false].map((readOnly) => look(folder, readOnly));
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  return results.find((result) => result !== 'same' && result !== 'error') ?? results.sort()[0]!;
}

/** Reads all there is; a writer then also writes, and reads again. */
function look(folder: string, readOnly: boolean): Result {
  let index: IndexFiles | undefined;
  try {
    index = IndexFiles.openSync(folder, { readOnly, breakLock: true });
    const why = difference(index, model);
    if (why !== undefined) return `WRONG: ${why}`;
    if (!readOnly) {
      const entries = [...model.live.keys()].slice(0, 3).map((id) => [id, 999_999] as const);
      index.appendSync(appendRequest(entries));
      const gone = [...model.live.keys()].slice(5, 7);
      index.deleteSync(gone);
      const later = difference(index, applyDelete(applyAppend(model, entries), gone));
      if (later !== undefined) return `WRONG after writing: ${later}`;
    }
    return 'same';
  } catch (error) {
    if (!(error instanceof FunnelError)) return `NOT OURS: ${(error as Error).stack}`;
    return /data\.mdb|rows-\d+\.bin|seg-\d+\.bin|row files/.test(error.message) ? 'error' : `NO FILE: ${error.message}`;
  } finally {
    try {
      index?.closeSync();
    } catch {
      // A damaged store may refuse to close; what counts is what it answered.
    }
  }
}
