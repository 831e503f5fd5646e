// `npm run runtimes [-- --write] [name ...]`: the checks of probe.mjs on every runtime, from the packed tarball, as a table.
// Without names the table has to be that of docs/runtimes.md, or is written there.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { log, root } from '../../scripts/setup/steps.mjs';
import { startMilvus, startQdrant } from '../servers/servers.mjs';
import { differing, matrixOf, probed, project, RUNTIMES } from './runtimes.mjs';

const { values, positionals } = parseArgs({ options: { write: { type: 'boolean' } }, allowPositionals: true });
const names = positionals.length > 0 ? positionals : Object.keys(RUNTIMES);
const home = mkdtempSync(join(tmpdir(), 'funnelvec-runtimes-'));
const found = {};
let failed = false;
const [qdrant, milvus] = await Promise.all([startQdrant(), startMilvus()]);
try {
  await project(home);
  const env = {
    PROBE_QDRANT: qdrant.url,
    PROBE_QDRANT_GRPC: `${qdrant.grpcHost}:${qdrant.grpcPort}`,
    PROBE_MILVUS: milvus.address,
  };
  for (const name of names) {
    log(`${name} ...`);
    found[name] = await probed(name, home, env);
    const { answers, ended, stderr } = found[name];
    for (const [check, { ok, why }] of Object.entries(answers)) {
      if (!ok) log(`${name}: ${check}: ${why}`);
      if (!ok) failed = true;
    }
    if (ended !== 0 || stderr !== '') log(`${name} ended with ${ended}: ${stderr.slice(0, 4000)}`);
  }
} finally {
  await Promise.all([qdrant.stop(), milvus.stop()]);
  rmSync(home, { recursive: true, force: true });
}
const matrix = matrixOf(found);
console.log(matrix);
for (const [check, name] of differing(found)) {
  log(`${name} answers otherwise to ${check}`);
  failed = true;
}
if (positionals.length === 0) {
  const file = join(root, 'docs', 'runtimes.md');
  const page = readFileSync(file, 'utf8');
  const between = /(<!-- runtimes -->\n)[\s\S]*?(<!-- \/runtimes -->)/;
  const now = page.replace(between, (_, from, to) => `${from}${matrix}\n${to}`);
  if (values.write) writeFileSync(file, now);
  else if (now !== page) {
    log('docs/runtimes.md has another table: npm run runtimes -- --write');
    failed = true;
  }
}
process.exitCode = failed ? 1 : 0;
