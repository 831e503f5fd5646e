/** The suite for sources tells wrong sources: each fault fails the test that is for it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { before, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { MUTANTS } from './mutants.js';

const tests = [...new Set(Object.values(MUTANTS).map(({ test }) => test))];
/** For each suite that ran, the tests that passed and those that failed. */
const suites = new Map<string, { passed: string[]; failed: string[] }>();

before(async () => {
  const exactly = (name: string) => `^${name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`;
  const child = fileURLToPath(new URL('mutants-child.js', import.meta.url));
  // Without what this runner tells its own children.
  const { NODE_TEST_CONTEXT, ...env } = process.env;
  const args = ['--test-reporter=tap', ...tests.map((name) => `--test-name-pattern=${exactly(name)}`), child];
  const run = promisify(execFile)(process.execPath, args, { env, timeout: 120_000, maxBuffer: 1 << 26 });
  const { stdout } = await run.catch((error) => error);
  let [passed, failed]: string[][] = [[], []];
  for (const line of stdout.split('\n')) {
    const [, indent, not, text] = /^( *)(not )?ok \d+ - (.*)$/.exec(line) ?? [];
    if (text === undefined) continue;
    const name = text.replace(/ # .*$/, '');
    if (indent === '') {
      suites.set(name, { passed: passed!, failed: failed! });
      [passed, failed] = [[], []];
    } else if (tests.includes(name)) (not ? failed : passed)!.push(name);
  }
});

it('the source passes as it is', () => {
  const { passed, failed } = suites.get('as it is')!;
  assert.deepEqual(failed, []);
  assert.deepEqual(passed.sort(), [...tests].sort());
});

for (const [name, { test }] of Object.entries(MUTANTS)) {
  it(`the suite tells that ${name}`, () => {
    const { failed } = suites.get(name)!;
    assert.ok(failed.includes(test), `${failed}`);
  });
}
