/** The floating-point mode that another addon left to the calling thread changes no bit of native kernels, and stays as it is. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { listKernels } from 'funnelvec';

const hasNative = listKernels().some(({ name, supported }) => name === 'scalar' && supported);
const skip = !hasNative && process.env['CI'] !== 'true' && 'no native binary was built';

it("native kernels answer alike after onnxruntime's set_denormal_as_zero, which goes on for others", { skip }, () => {
  const child = fileURLToPath(new URL('floating-point-child.js', import.meta.url));
  const { stdout, stderr, status } = spawnSync(process.execPath, [child], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const { before, after, stays } = JSON.parse(stdout);
  assert.deepEqual([before[0], after[0], stays], [false, true, true], 'the mode that onnxruntime sets');
  assert.ok(Object.keys(before[1]).length >= 3);
  assert.deepEqual(after[1], before[1]);
});
