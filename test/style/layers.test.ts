/** The rules of scripts/setup/layers.mjs forbid what they are for: each pair here is an import that a lint has to refuse. */
import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { it } from 'node:test';
import { pathToFileURL } from 'node:url';

const script = pathToFileURL(resolve('scripts/setup/layers.mjs')).href;
const { default: layers } = (await import(script)) as typeof import('../../scripts/setup/layers.mjs');

/** The rules that are about one import, by its two files: the others are about several, or about what is on the disk. */
const PAIRS = layers.forbidden.filter(
  ({ to }) => to.circular === undefined && to.couldNotResolve === undefined && to.reachable === undefined,
);

/** The rules against an import, as dependency-cruiser reads them: `$1` is the first group of the importer's pattern. */
function against(from: string, to: string): string[] {
  return PAIRS.filter((rule) => {
    const importer = new RegExp(rule.from.path ?? '').exec(from);
    if (importer === null || (rule.from.pathNot !== undefined && new RegExp(rule.from.pathNot).test(from)))
      return false;
    const pattern = (text: string) => new RegExp(text.replaceAll('$1', importer[1] ?? ''));
    if (!pattern(rule.to.path ?? '').test(to)) return false;
    return rule.to.pathNot === undefined || !pattern(rule.to.pathNot).test(to);
  }).map(({ name }) => name);
}

/** A file of each layer, from the lowest up; those of one row do not import each other. */
const FILES = [
  ['src/core/half.ts'],
  ['src/kernels/check.ts'],
  ['src/funnel/plan.ts'],
  ['src/query/numbers.ts'],
  ['src/store/engine/best.ts'],
  ['src/store/files/crc32c.ts'],
  ['src/store/payload/indexes.ts'],
  ['src/store/refused.ts'],
  ['src/store/import/json.ts'],
  ['src/store/index.ts'],
  ['src/sources/qdrant/since.ts', 'src/sources/milvus/scope.ts'],
  ['src/index.ts', 'src/wasm.ts'],
  ['src/conformance/data.ts', 'src/embed/words.ts', 'src/fuse/index.ts', 'src/train/loss.ts', 'src/tune/bounds.ts'],
  ['src/vectors/index.ts', 'src/files/mapping.ts'],
  ['src/adapters/ai-sdk/index.ts', 'src/cli/state.ts'],
];

it('an import goes down: none to a higher layer, nor to another of the same row', () => {
  for (const [i, row] of FILES.entries()) {
    for (const from of row) {
      for (const to of FILES.slice(i).flat()) {
        if (to !== from) assert.notDeepEqual(against(from, to), [], `${from} → ${to}`);
      }
    }
  }
});

it('an import of a lower layer is allowed, but for that of the store by sources of databases', () => {
  const refused: string[] = [];
  for (const [i, row] of FILES.entries()) {
    for (const from of row) {
      for (const to of FILES.slice(0, i).flat()) if (against(from, to).length > 0) refused.push(`${from} → ${to}`);
    }
  }
  const sources = FILES[10]!;
  const store = FILES.slice(4, 10).flat();
  assert.deepEqual(
    refused,
    sources.flatMap((from) => store.map((to) => `${from} → ${to}`)),
  );
});

it('neither a folder without a layer nor a file of the system gets in unseen', () => {
  assert.notDeepEqual(against('src/index.ts', 'src/util/text.ts'), []);
  assert.notDeepEqual(against('src/util/text.ts', 'src/core/half.ts'), []);
  for (const file of ['fs', 'fs/promises', 'node_modules/lmdb/dist/index.cjs']) {
    assert.notDeepEqual(against('src/store/engine/best.ts', file), [], file);
  }
});
