// npm run bench [-- --only kernels,funnel,servers,calls] [--quick] [--check]; of servers also [--databases qdrant,milvus]
// [--sets glosses,wide] [--queries 100] [--write], which puts the tables that were measured in place of their like.
// Tables go to stdout, progress to stderr. A whole run writes bench/RESULTS.md, but for the index part, which is
// bench:index's; --check fails when a bound is missed.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { log, root } from '../scripts/setup/steps.mjs';
import { indexPart, withIndexPart, withServerTables } from './merge.mjs';
import { environment, missedIn, render } from './report.mjs';
import { setup } from './setup.mjs';

const SUITES = ['kernels', 'funnel', 'servers', 'calls'];
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean' },
    check: { type: 'boolean' },
    databases: { type: 'string' },
    sets: { type: 'string' },
    queries: { type: 'string' },
    write: { type: 'boolean' },
  },
});
const wanted = values.only?.split(',') ?? SUITES;
const unknown = wanted.filter((name) => !SUITES.includes(name));
if (unknown.length > 0) {
  log(`unknown suite ${unknown.join(', ')}; there are ${SUITES.join(', ')}`);
  process.exit(2);
}
const quick = values.quick ?? false;

const { python, pythonMissing } = await setup({ withPython: wanted.includes('funnel') });
if (pythonMissing) log(`no Python peers: ${pythonMissing}`);

// Imported now: they need what was just installed.
const { activeKernels, listKernels } = await import('funnelvec');
const backends = listKernels().flatMap(({ name, supported }) => (supported ? [name] : []));
const about = environment({ kernels: activeKernels().name, quick, pythonMissing });
const suites = {
  kernels: async () => (await import('./kernels.mjs')).kernelsSuite({ quick, log, backends }),
  funnel: async () => (await import('./funnel.mjs')).funnelSuite({ quick, log, backends, python }),
  servers: async () => {
    const [databases, sets] = [values.databases, values.sets].map((list) => list?.split(','));
    const queries = values.queries === undefined ? undefined : Number(values.queries);
    return (await import('./servers.mjs')).serversSuite({ quick, log, databases, sets, queries });
  },
  // In a process of its own, whose code is compiled for these calls alone.
  calls: () => {
    const args = ['bench/calls.mjs', ...(quick ? ['--turns', '200'] : [])];
    return execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  },
};
const results = {};
for (const name of SUITES.filter((suite) => wanted.includes(suite))) {
  const began = performance.now();
  results[name] = await suites[name]();
  log(`${name}: ${Math.round((performance.now() - began) / 1000)} s`);
}

const text = render(about, results);
const partial = values.databases !== undefined || values.sets !== undefined;
if (values.write && results.servers) {
  const file = join(root, 'bench', 'RESULTS.md');
  writeFileSync(file, withServerTables(readFileSync(file, 'utf8'), text));
  log('the tables of servers in bench/RESULTS.md written');
} else if (!partial && wanted.length === SUITES.length && !quick) {
  const file = join(root, 'bench', 'RESULTS.md');
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  writeFileSync(file, withIndexPart(text, indexPart(before)));
  log('bench/RESULTS.md written');
} else {
  log('bench/RESULTS.md left alone: only a whole run writes it');
}
const missed = missedIn(results);
if (missed > 0) log(`${missed} bounds missed`);
// Database clients keep sockets and timers, so the process must be told to end.
process.stdout.write(text, () => process.exit(values.check && missed > 0 ? 1 : 0));
