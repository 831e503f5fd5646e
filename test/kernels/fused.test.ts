/** The WASM modules with fused products and sums, which engines with relaxed SIMD run, and those that all others run. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';

const child = fileURLToPath(new URL('fused-child.js', import.meta.url));
/** Node.js 20 has it behind a flag that later ones do not know. */
const flags = process.versions.node.startsWith('20.') ? ['--experimental-wasm-relaxed-simd'] : [];

for (const kind of ['fused', 'plain']) {
  it(`WASM kernels with ${kind} products and sums have the bits of plain JavaScript`, () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, child, kind], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.equal(Number(stdout), 9 * 3 * 3 * 2 * 36);
  });
}
