// 10,000 random filters beside each engine: Qdrant's of both generations, over REST and gRPC, and Milvus. Outside CI, which asks
// fewer of one generation; `npm run test:filters`, FUNNELVEC_FILTERS and FUNNELVEC_SEED change how many and which.
import { spawn } from 'node:child_process';
import { log } from './steps.mjs';

const RUNS = [
  { name: 'Qdrant 1.18', file: 'query/filter-qdrant', env: { QDRANT_GENERATION: '1.18' } },
  { name: 'Qdrant 1.19', file: 'query/filter-qdrant', env: { QDRANT_GENERATION: '1.19' } },
  { name: 'Milvus', file: 'query/filter-milvus.test', env: {} },
];

const { FUNNELVEC_FILTERS = '10000' } = process.env;
const failed = [];
for (const { name, file, env } of RUNS) {
  const began = performance.now();
  const code = await run(file, { FUNNELVEC_FILTERS, ...env });
  log(`${name}: ended with ${code} after ${Math.round((performance.now() - began) / 1000)} s`);
  if (code !== 0) failed.push(name);
}
if (failed.length > 0) {
  log(`Filters mean something else to ${failed.join(' and ')}`);
  process.exit(1);
}
log(`${FUNNELVEC_FILTERS} random filters agree with each engine`);

function run(file, env) {
  const args = ['scripts/setup/run-tests.mjs', file];
  const child = spawn(process.execPath, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  return new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)));
}
