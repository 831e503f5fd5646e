// `npm test [-- file-part ...]`: sets everything up, then runs the tests whose path contains one of the parts.
import { spawn } from 'node:child_process';
import { join, relative } from 'node:path';
import { setup } from './setup.mjs';
import { filesUnder, log, root } from './steps.mjs';

await setup();
const parts = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const files = filesUnder(join(root, 'build', 'test'), (file) => file.endsWith('.test.js'))
  .map((file) => relative(root, file))
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)));
if (files.length === 0) {
  log(`no test file matches ${parts.join(', ')}`);
  process.exit(1);
}
log(`Running ${files.length} test files`);

/** Nothing is timed in these, so that they may run beside each other: builds of bundles, bits, random tables. */
const UNTIMED =
  /package.bundlers|kernels.(kernels|codes)\.test|cli.(random-tables|parquet-random)|store.(exact|heads)\.test/;
const [bundles, others] = [/bundlers/, /^(?!.*bundlers)/].map((part) => files.filter((file) => part.test(file)));
const together = [...bundles, ...others.filter((file) => UNTIMED.test(file))]; // the longest first
const alone = others.filter((file) => !UNTIMED.test(file));
const codes = [await run(together, ['--test-concurrency=2']), await run(alone, [])];
process.exit(codes.find((code) => code !== 0) ?? 0);

function run(some, options) {
  if (some.length === 0) return 0;
  const args = ['--expose-gc', '--test', '--test-reporter=spec', '--test-timeout=900000', ...options, ...some];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  return new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)));
}
