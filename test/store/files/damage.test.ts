/** Every part of every file, flipped and cut: an error that names the file, or the right answer. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { IndexFiles } from '#dist/store/files/index-files.js';
import { Random, SEED } from '../../random.js';
import type { Damage } from './damage-child.js';
import {
  appendRequest,
  applyAppend,
  applyDelete,
  CONFIG,
  emptyModel,
  type Model,
  scratchFolder,
  sectionOf,
} from './model.js';

const CHILD = fileURLToPath(new URL('./damage-child.js', import.meta.url));

describe('a damaged index', () => {
  const scratch = scratchFolder();
  const folder = join(scratch.path, 'index');
  const random = new Random(SEED);
  let model: Model;
  let files: Record<'rows' | 'compacted' | 'segment', string>;

  before(async () => {
    ({ model, files } = await make(folder));
  });
  after(scratch.remove);

  it('with a flipped byte anywhere in a file of rows errs or answers right', async () => {
    await noneWrong(folder, model, [...flips(folder, files.rows, random), ...flips(folder, files.compacted, random)]);
  });

  it('with a flipped byte anywhere in a segment errs or answers right', async () => {
    await noneWrong(folder, model, flips(folder, files.segment, random));
  });

  it("with a flipped byte in LMDB's file errs or answers right, and never crashes", async () => {
    const { size } = statSync(join(folder, 'data.mdb'));
    const damages: { file: string; at: number; mask: number }[] = [];
    // Every byte of what LMDB follows is flipped sooner or later; one seed tries one in seven.
    for (let at = random.int(0, 6); at < size; at += 7) {
      damages.push({ file: 'data.mdb', at, mask: 1 << random.int(0, 7) });
    }
    const bytes = readFileSync(join(folder, 'data.mdb'));
    await noneWrong(
      folder,
      model,
      damages.filter(({ at }, i) => bytes[at] !== 0 || i % 10 === 0),
    );
  });

  it("with LMDB's file cut at any length errs or answers right, and never crashes", async () => {
    await noneWrong(folder, model, cuts(folder, 'data.mdb', 1021));
  });

  it('with a file of rows or a segment cut at any length errs', async () => {
    const damages = Object.values(files).flatMap((file) => cuts(folder, file, 61));
    const results = await noneWrong(folder, model, damages);
    assert.ok(results.every((result) => result === 'error'));
  });
});

async function make(folder: string) {
  const index = await IndexFiles.create(folder, CONFIG);
  let model = emptyModel();
  const put = async (from: number, to: number) => {
    const entries = Array.from({ length: to - from }, (_, i): [string, number] => [`id-${from + i}`, from + i]);
    await index.append(appendRequest(entries));
    model = applyAppend(model, entries);
  };
  await put(0, 30);
  const gone = ['id-3', 'id-4', 'id-17'];
  await index.delete(gone);
  model = applyDelete(model, gone);
  await index.compact();
  await put(30, 50);
  await index.delete(['id-31']);
  model = applyDelete(model, ['id-31']);
  const segment = await index.writeSegment([
    { name: 'codes', bytes: sectionOf(300) },
    { name: 'more', bytes: sectionOf(20) },
  ]);
  await index.commitSegments({ add: [segment], meta: { at: 1 } });
  model.segments.set(segment.name, 300);
  model.meta = { at: 1 };
  const [compacted, rows] = index.rowFiles().map(({ path }) => path.slice(folder.length + 1));
  await index.close();
  return { model, files: { rows: rows!, compacted: compacted!, segment: segment.name } };
}

/** One flip in every 61 bytes of zeros, and in every byte that says something. */
function flips(folder: string, file: string, random: Random): Damage[] {
  const bytes = readFileSync(join(folder, file));
  const damages: Damage[] = [];
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === 0 && at % 61 !== 0) continue;
    damages.push({ file, at, mask: 1 << random.int(0, 7) });
  }
  return damages;
}

function cuts(folder: string, file: string, step: number): Damage[] {
  const { size } = statSync(join(folder, file));
  const lengths = new Set([0, size - 1]);
  for (let length = step; length < size; length += step) lengths.add(length);
  return [...lengths].map((length) => ({ file, length }));
}

/** The results, none of which is wrong or a crash. */
async function noneWrong(folder: string, model: Model, damages: Damage[]): Promise<string[]> {
  const results = await tryAll(folder, model, damages);
  results.forEach((result, i) => {
    assert.ok(result === 'same' || result === 'error', `${JSON.stringify(damages[i])}: ${result}`);
  });
  return results;
}

/** In processes that may crash: each goes on behind the damage that killed the one before. */
async function tryAll(folder: string, model: Model, damages: Damage[]): Promise<string[]> {
  const results: string[] = [];
  while (results.length < damages.length) {
    const { said, why } = await runChild(folder, model, damages.slice(results.length));
    const start = results.length;
    for (const line of said) {
      const space = line.indexOf(' ');
      if (line.length > space + 1) results[start + Number(line.slice(0, space))] = line.slice(space + 1);
    }
    if (results.length < damages.length) results.push(`CRASH: ${why}`);
  }
  return results;
}

function runChild(folder: string, model: Model, damages: Damage[]): Promise<{ said: string[]; why: string }> {
  return new Promise((resolve) => {
    const plain = JSON.stringify({ ...model, live: [...model.live], segments: [...model.segments] });
    const child = spawn(process.execPath, [CHILD, folder, plain], { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    let complaints = '';
    child.stdout.on('data', (part) => (said += part));
    child.stderr.on('data', (part) => (complaints += part));
    child.stdin.on('error', () => {});
    child.stdin.end(damages.map((damage) => JSON.stringify(damage)).join('\n'));
    // A damaged tree may go in a circle.
    let silent = '';
    const watch = setInterval(() => {
      if (said === silent) child.kill('SIGKILL');
      silent = said;
    }, 10_000);
    child.on('close', (code, signal) => {
      clearInterval(watch);
      resolve({ said: said.split('\n').slice(0, -1), why: `${signal ?? code} ${complaints.slice(0, 300)}` });
    });
  });
}
