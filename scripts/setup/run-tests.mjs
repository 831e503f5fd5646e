// `npm test [-- file-part ...]`: sets everything up, then runs the tests whose path contains one of the parts.
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { runFiles } from './run-files.mjs';
import { setup } from './setup.mjs';
import { filesUnder, log, root } from './steps.mjs';

await setup();
const parts = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const files = filesUnder(join(root, 'build', 'test'), (file) => file.endsWith('.test.js'))
  .map((file) => relative(root, file).replaceAll('\\', '/'))
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)));
if (files.length === 0) {
  log(`no test file matches ${parts.join(', ')}`);
  process.exit(1);
}
log(`Running ${files.length} test files`);

// Those that measure say "Runs alone". All do where one server serves every file.
const source = (file) => readFileSync(join(root, file.replace(/^build./, '').replace(/js$/, 'ts')), 'utf8');
const shared = process.env.QDRANT_URL !== undefined || process.env.MILVUS_ADDRESS !== undefined;
const isAlone = (file) => shared || source(file).includes('// Runs alone: ');
/** Flags of Node that a file which runs alone asks for, by a line as in Node's own tests. */
const flagsOf = (file) => /^\/\/ Flags: (.*)$/m.exec(source(file))?.[1] ?? '';

/** How many files run at a time: one more than most machines of tests have processors, for servers and installations are waited for. */
const LANES = 3;

/** Seconds of the files that take more than ten, two at a time on two quiet processors: the longest begin first. */
const SECONDS = {
  'package/bundlers': 250,
  'query/requests': 52,
  'story/story': 45,
  'tune/tune': 43,
  'cli/answers': 41,
  'applications/dead-rows': 39,
  'package/lifecycle': 39,
  'store/exact': 39,
  'store/heads': 34,
  'package/package': 33,
  'browser/bundles': 32,
  'sources/milvus': 32,
  'adapters/mastra': 30,
  'simulation/simulation': 28,
  'store/files/kill': 27,
  'sources/failover': 48,
  'store/filter': 26,
  'store/files/lock': 24,
  'store/kill': 24,
  'train/fit-head': 24,
  'kernels/codes': 22,
  'query/filter-milvus': 22,
  'browser/chromium': 21,
  'demo/demo': 21,
  'query/filter-qdrant': 20,
  'runtimes/runtimes': 20,
  'adapters/langchain': 17,
  'cli/random-tables': 17,
  'kernels/kernels': 17,
  'applications/builds': 16,
  'applications/answers': 14,
  'store/extensions': 14,
  'store/files/faults': 14,
  'applications/programs': 13,
  'cli/databases': 13,
  'embed/outputs': 13,
  'sources/qdrant-grpc': 13,
  'sources/qdrant-rest': 13,
  'tune/splits': 13,
  'store/index': 12,
  'demo/page': 11,
  'fuzz/fuzz': 11,
  'tune/report': 11,
};
const secondsOf = (file) => SECONDS[file.slice('build/test/'.length, -'.test.js'.length)] ?? 0;
const together = files.filter((file) => !isAlone(file)).sort((a, b) => secondsOf(b) - secondsOf(a));
process.exitCode = await runFiles([
  { files: together, lanes: LANES },
  { files: files.filter(isAlone), lanes: 1, flagsOf },
]);
