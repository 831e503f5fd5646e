/** The rules that hold the layers of src (`npm run lint`) see what they are to see. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { root } from './consumer.js';

/** Files of a small src in order. */
const SOUND = {
  'index.ts': "export { search } from './query/search.js';",
  'core/types.ts': 'export type Metric = string;',
  'kernels/load.ts': "import type { Metric } from '../core/types.js'; export const metric: Metric = '';",
  'query/search.ts': "import { metric } from '../kernels/load.js'; export const search = () => metric;",
  'store/engine/search.ts': "export { metric } from '../../kernels/load.js';",
  'store/writes.ts': "export { metric } from './engine/search.js';",
  'store/import/batches.ts': "export { metric } from '../writes.js';",
  'store/index.ts': "export { metric } from './import/batches.js';",
  'embed/index.ts': "export { metric } from '../kernels/load.js';",
  'train/index.ts': "export { metric } from '../kernels/load.js';",
  'cli/main.ts': "const { search } = await import('../index.js'); search();",
};

/** Files that are no good, each in its own way, and the rule that refuses it. */
const FAULTS: [string, string, string][] = [
  ['core/type.ts', "export type { metric } from '../kernels/load.js';", 'core imports from lower layers alone'],
  ['core/types-all.ts', "export type * from '../cli/main.js';", 'core imports from lower layers alone'],
  ['kernels/later.ts', "export const later = import('../query/search.js');", 'kernels imports from lower layers alone'],
  ['store/above.ts', "export { metric } from './import/batches.js';", 'store imports from lower layers alone'],
  ['store/engine/above.ts', "export { metric } from '../writes.js';", 'store/engine imports from lower layers alone'],
  ['store/engine/files.ts', "export { readFileSync } from 'node:fs';", 'the engine opens no files'],
  ['embed/beside.ts', "export { metric } from '../train/index.js';", 'embed imports from lower layers alone'],
  ['query/a.ts', "import type { B } from './b.js'; export type A = B | 1;", 'imports make no circles'],
  ['query/b.ts', "import type { A } from './a.js'; export type B = A[];", 'an entry leads to every file'],
  ['cli/gone.ts', "export { search } from '../query/gone.js';", 'what is imported is there'],
  ['loose.ts', "export { metric } from './kernels/load.js';", 'every file is in a layer'],
  ['core/dead.ts', 'export const dead = 1;', 'an entry leads to every file'],
];

describe('the layers of src', () => {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-layers-'));
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

  function cruise(name: string, files: Record<string, string>): { status: number | null; stdout: string } {
    const cwd = join(folder, name);
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(cwd, 'src', file)), { recursive: true });
      writeFileSync(join(cwd, 'src', file), text);
    }
    const bin = join(root, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
    const config = join(root, 'scripts', 'setup', 'layers.mjs');
    return spawnSync(process.execPath, [bin, '--config', config, 'src'], { cwd, encoding: 'utf8' });
  }

  it('accept imports that go down', () => {
    const { status, stdout } = cruise('sound', SOUND);
    assert.equal(status, 0, stdout);
  });

  it('refuse what goes up or aside, circles, files that nobody imports, and files of the engine', () => {
    const faults = Object.fromEntries(FAULTS.map(([file, text]) => [file, text]));
    const { status, stdout } = cruise('faults', { ...SOUND, ...faults });
    assert.notEqual(status, 0);
    for (const [file, , rule] of FAULTS)
      assert.ok(stdout.includes(`error ${rule}: src/${file}`), `${file}:\n${stdout}`);
    const named = [...stdout.matchAll(/^\s*error [^:]+: (src\/[\w/-]+\.ts)/gm)].map(([, file]) => file!.slice(4));
    assert.deepEqual(
      named.filter((file) => !(file in faults)),
      [],
    );
  });
});
