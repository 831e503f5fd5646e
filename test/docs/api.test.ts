/** The API reference: every public name of every entry has a docstring, and what its links name is there. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { it } from 'node:test';

it('every public name has a docstring', { timeout: 240_000 }, () => {
  const check = spawnSync(process.execPath, [resolve('scripts/docs/api.mjs'), '--check'], { encoding: 'utf8' });
  assert.equal(check.status, 0, check.stdout + check.stderr);
  const [, count] = /^(\d+) docstrings$/m.exec(check.stdout)!;
  assert.ok(Number(count) > 1200, `${count} docstrings: fewer than the entries have`);
});
