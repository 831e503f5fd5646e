// The suites over Qdrant, on each generation of its engine: twice in a row on one server that has a collection of somebody
// else's, which afterwards has that one alone. `node scripts/setup/generations.mjs [file-part ...]`; outside CI.
import { spawn } from 'node:child_process';
import { startQdrant } from '../../test/servers/servers.mjs';
import { log } from './steps.mjs';

const GENERATIONS = ['1.18', '1.19'];
const PARTS = ['sources/qdrant', 'query/filter-qdrant', 'query/requests'];
const ROUNDS = 2;
const FOREIGN = 'somebody_elses';

const parts = process.argv.slice(2);
const failures = [];
for (const generation of GENERATIONS) {
  process.env.QDRANT_GENERATION = generation;
  const server = await startQdrant({ log });
  try {
    await ask(server.url, `/collections/${FOREIGN}`, { vectors: { size: 2, distance: 'Dot' } });
    for (let round = 1; round <= ROUNDS; round++) {
      const named = `${server.version}, run ${round}`;
      log(`Qdrant ${named}`);
      const code = await run(server);
      if (code !== 0) failures.push(`${named}: tests ended with ${code}`);
      const { collections } = await ask(server.url, '/collections');
      const left = collections.map(({ name }) => name).filter((name) => name !== FOREIGN);
      if (left.length > 0) failures.push(`${named}: left ${left.join(', ')}`);
      if (left.length === collections.length) failures.push(`${named}: ${FOREIGN} is gone`);
    }
  } finally {
    await server.stop();
  }
}
for (const failure of failures) log(failure);
if (failures.length > 0) process.exit(1);
log(`The suites pass ${ROUNDS} times in a row on ${GENERATIONS.join(' and ')} and leave nothing behind`);

async function ask(url, path, body) {
  const options = body && {
    method: 'PUT',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  };
  const response = await fetch(url + path, options);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()).result;
}

function run({ url, grpcHost, grpcPort }) {
  const child = spawn(
    process.execPath,
    ['--expose-gc', 'scripts/setup/run-tests.mjs', ...(parts.length > 0 ? parts : PARTS)],
    {
      stdio: 'inherit',
      env: { ...process.env, QDRANT_URL: url, QDRANT_GRPC: `${grpcHost}:${grpcPort}` },
    },
  );
  return new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)));
}
