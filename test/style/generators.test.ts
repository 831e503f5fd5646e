/** Generators of code that runs at every search or write. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';

const FOLDERS = ['core', 'funnel', 'kernels', 'query'];
const FILES = ['store/files/append.ts', 'store/searches.ts', 'store/index-source.ts', 'store/index-scores.ts'];

it('no call makes a generator function of its own, which V8 keeps with all that it sees until a full collection', () => {
  const src = 'src';
  const inFolders = FOLDERS.flatMap((folder) =>
    readdirSync(join(src, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(folder, file)),
  );
  const found = [...inFolders, ...FILES].flatMap((file) =>
    readFileSync(join(src, file), 'utf8')
      .split('\n')
      .filter((line) => /\bfunction\*/.test(line) && !/^(export )?(async )?function\* \w+/.test(line))
      .map((line) => `${file}: ${line.trim()}`),
  );
  assert.ok(inFolders.length > 50, 'the folders were found');
  assert.deepEqual(found, []);
});
