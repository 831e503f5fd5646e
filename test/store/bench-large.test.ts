/** The bench of ten million rows refuses odd options before any work, which takes most of an hour. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const folder = mkdtempSync(join(tmpdir(), 'funnelvec-large-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('the bench of ten million rows refuses odd options by name, before any work', () => {
  for (const [options, said] of [
    [['--rows', 'abc'], /at least 1000 for --rows but received "abc"/],
    [['--rows', '0'], /for --rows but received "0"/],
    [['--threads', '1.5'], /at least 1 for --threads but received "1\.5"/],
    [['--memory', ''], /for --memory but received ""/],
    [['--kill', '--reuse'], /--kill without --reuse/],
    [['--rows', '20000', '--write'], /--write beside 10000000 rows.* received 20000/],
    [['--rows', '20000', '--reuse'], /an index of 20000 rows .* for --reuse but found none/],
  ] as const) {
    const own = join(folder, 'own');
    const run = spawnSync(process.execPath, ['bench/index/large/run.mjs', '--folder', own, ...options], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.equal(run.status, 2, run.stderr);
    assert.match(run.stderr + run.stdout, said);
    assert.equal(existsSync(join(own, 'index')), false);
  }
});

test('the bench of ten million rows leaves a folder alone that somebody else filled', () => {
  const theirs = join(folder, 'theirs');
  mkdirSync(join(theirs, 'index'), { recursive: true });
  const file = join(theirs, 'index', 'data');
  writeFileSync(file, 'of somebody');
  const options = ['--folder', theirs, '--rows', '1000', '--memory', '.001'];
  const run = spawnSync(process.execPath, ['bench/index/large/run.mjs', ...options], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(run.status, 2, run.stderr);
  assert.match(run.stderr + run.stdout, /an empty or a new folder for --folder, or one that a run filled/);
  assert.equal(readFileSync(file, 'utf8'), 'of somebody');
});
