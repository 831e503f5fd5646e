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
const args = ['--expose-gc', '--test', '--test-reporter=spec', '--test-timeout=900000', ...files];
const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
child.on('close', (code) => process.exit(code ?? 1));
