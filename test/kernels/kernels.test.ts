import assert from 'node:assert/strict';
import { it } from 'node:test';
import { getKernels, listKernels } from 'funnelvec/kernels';
import { kernelSuite } from './suite.js';

const cases = Number(process.env['FUNNELVEC_CASES'] ?? 100_000);

for (const { name, supported, reason } of listKernels()) {
  if (supported) kernelSuite(getKernels(name), { cases });
  else it(`kernels: ${name}`, { skip: reason }, () => {});
}

it('has native kernels and WASM in CI', { skip: process.env['CI'] === 'true' ? false : 'only with CI=true' }, () => {
  const names = listKernels()
    .filter((k) => k.supported)
    .map((k) => k.name);
  for (const name of ['scalar', 'wasm', 'js'] as const) assert.ok(names.includes(name), `${name} is missing`);
});
