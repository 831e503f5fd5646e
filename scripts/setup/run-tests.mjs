// `npm test [-- file-part ...]`: sets everything up, then runs the tests whose path contains one of the parts.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
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

// Two files at a time, the longest first; those that measure say "Runs alone". All do where one server serves every file.
const source = (file) => readFileSync(join(root, file.replace(/^build./, '').replace(/js$/, 'ts')), 'utf8');
const shared = process.env.QDRANT_URL !== undefined || process.env.MILVUS_ADDRESS !== undefined;
const isAlone = (file) => shared || source(file).includes('// Runs alone: ');
const LONG = [
  ...['package/bundlers', 'docs', 'store/heads', 'store/exact', 'tune', 'kernels', 'sources/milvus', 'simulation'],
  ...['kill', 'query/requests', 'package/', 'train', 'store/filter', 'fuzz', 'sources', 'applications', 'cli'],
];
const rank = (file) => LONG.findIndex((part) => file.includes(part)) >>> 0;
const together = files.filter((file) => !isAlone(file)).sort((a, b) => rank(a) - rank(b));
const codes = [
  await run(together, ['--test-concurrency=2']),
  await run(files.filter(isAlone), ['--test-concurrency=1']),
];
process.exit(codes.find((code) => code !== 0) ?? 0);

function run(some, options) {
  if (some.length === 0) return 0;
  const reporters = ['spec', './scripts/setup/ended.mjs'].flatMap((one) => [
    `--test-reporter=${one}`,
    '--test-reporter-destination=stdout',
  ]);
  const args = ['--expose-gc', '--test', ...reporters, '--test-timeout=900000', ...options, ...some];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  return new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)));
}
