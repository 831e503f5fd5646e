// Formats the C++ sources, or with --check fails when one is not formatted.
import { join } from 'node:path';
import { filesUnder, root, run } from './steps.mjs';

const files = filesUnder(join(root, 'cpp'), (file) => /\.(cc|h)$/.test(file));
const mode = process.argv.includes('--check') ? ['--dry-run', '--Werror'] : ['-i'];
try {
  await run(join(root, 'node_modules', '.bin', 'clang-format'), [...mode, ...files]);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
