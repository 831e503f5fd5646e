/** Large arrays of the native kernels ask the system for large pages. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { getCodeKernels, listCodeKernels } from '#dist/kernels/codes-load.js';

const MAPS = '/proc/self/smaps';
const native = listCodeKernels().find(({ name, supported }) => supported && name !== 'wasm' && name !== 'js');
const skip =
  !(native !== undefined && existsSync(MAPS) && existsSync('/sys/kernel/mm/transparent_hugepage/enabled')) &&
  'no such pages here';

/** Bytes of mappings that large pages were asked for. */
function asked(): number {
  let bytes = 0;
  let size = 0;
  for (const line of readFileSync(MAPS, 'utf8').split('\n')) {
    const [, kilobytes] = /^Size:\s+(\d+) kB/.exec(line) ?? [];
    if (kilobytes !== undefined) size = 1024 * Number(kilobytes);
    if (/^VmFlags:.* hg\b/.test(line)) bytes += size;
  }
  return bytes;
}

test('large arrays lie in large pages where the system has them, and small ones do not', { skip }, () => {
  const codes = getCodeKernels(native!.name);
  const before = asked();
  const small = codes.allocate(1 << 20);
  assert.equal(asked(), before);
  const large = codes.allocate(64 << 20);
  const grown = asked() - before;
  assert.ok(grown >= 63 << 20, `${grown} bytes`);
  small[small.length - 1] = 1;
  large[large.length - 1] = 1;
});
