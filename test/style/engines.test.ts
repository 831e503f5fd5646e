/** Functions of Math whose bits differ between engines decide nothing that is kept or promised: core/exact-math.ts has others. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';

/** Files that may use them, each with the reason. */
const ALLOWED: Readonly<Record<string, string>> = {
  'src/kernels/codes-wasm-memory.ts': 'sizes of blocks of memory',
  'src/query/filter/geo.ts': 'distances on the earth, in which servers differ by as much',
  'src/store/inline.ts': 'a class of searches that take about as long',
  'src/cli/demo.ts': 'vectors that are made up and shown',
  'src/conformance/funnels.ts': 'vectors that are made up',
  'src/conformance/ranking-oracle.ts': 'compared within a tolerance',
  'src/embed/weights.ts': 'integers below 2^53',
  'src/tune/report/data.ts': 'places of points in a picture',
};
const INEXACT =
  /\bMath\.(?:hypot|exp|expm1|log|log1p|log2|log10|pow|cbrt|sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh)\b|(?<!\b2n?|\b10n) \*\* (?![23]\b)/;

it('no file of src uses functions of Math that engines compute differently, but for those with a reason', () => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).map((file) => join('src', file));
  const found = files.filter((file) => {
    if (!file.endsWith('.ts')) return false;
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.some((line) => INEXACT.test(line) && !/^\s*(\*|\/\*|\/\/)/.test(line));
  });
  assert.deepEqual(
    found.filter((file) => !(file in ALLOWED)),
    [],
  );
  for (const file of Object.keys(ALLOWED)) assert.ok(found.includes(file), `${file} does not use them any more`);
});
