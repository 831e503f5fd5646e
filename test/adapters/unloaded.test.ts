/** A package that nobody asked for is not loaded. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { it } from 'node:test';

it('funnelvec alone loads no adapter, no fusing, no embedding and no package', () => {
  const program = `
    require('funnelvec');
    console.log(JSON.stringify(Object.keys(require.cache)));`;
  const loaded: string[] = JSON.parse(execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' }));
  // Each module takes most of a millisecond: one more should be worth that to all who import the package.
  assert.ok(loaded.length > 10 && loaded.length <= 92, `${loaded.length} modules`);
  const layers = loaded.map((file) => /[\\/]dist[\\/]cjs[\\/]([\w.]+)/.exec(file)?.[1]);
  assert.deepEqual([...new Set(layers)].sort(), ['core', 'funnel', 'index.js', 'kernels', 'query', 'sources']);
  const foreign = loaded.filter((file) => /[\\/](adapters|fuse|embed)[\\/]|node_modules/.test(file));
  assert.deepEqual(foreign, []);
});

it('funnelvec/ai-sdk, funnelvec/embed and funnelvec/fuse load no package', () => {
  for (const entry of ['ai-sdk', 'embed', 'fuse']) {
    const program = `
      require('funnelvec/${entry}');
      console.log(JSON.stringify(Object.keys(require.cache)));`;
    const loaded: string[] = JSON.parse(execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' }));
    assert.deepEqual(
      loaded.filter((file) => file.includes('node_modules')),
      [],
      entry,
    );
  }
});
