// The funnel of the Milvus tutorial on 128 candidates of 768 dims, beside its peers. Every contender must return the ids
// that funnel() returns before it is timed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { candidateSet } from './data.mjs';
import { open, quantile, takeTurns } from './measure.mjs';

const COUNT = 128;
const DIM = 768;
const PLAN = { scales: [256, 512, 768], keep: 0.5 };

/** @param {{ quick: boolean, log: (line: string) => void, python?: string, backends: string[] }} options */
export async function funnelSuite({ quick, log, python, backends }) {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-bench-'));
  const contenders = [];
  try {
    const { query, rows } = candidateSet({ count: COUNT, dim: DIM });
    writeFileSync(join(folder, 'plan.json'), JSON.stringify({ dim: DIM, plan: PLAN }));
    writeFileSync(join(folder, 'rows.f32'), new Uint8Array(rows.buffer));
    writeFileSync(join(folder, 'query.f32'), new Uint8Array(query.buffer));

    for (const one of lineUp(backends, python)) {
      const [command, script] = one.python
        ? [python, 'funnel_contender.py']
        : [process.execPath, 'funnel-contender.mjs'];
      const env = one.backend ? { FUNNELVEC_KERNELS: one.backend } : {};
      contenders.push({ ...one, ...(await open(command, [join('bench', script), one.key, folder], env)) });
    }
    await sameAnswers(contenders);
    log(`funnel: ${contenders.length} contenders return the same ids`);
    const times = await takeTurns(contenders, {
      task: '',
      ...(quick ? { rounds: 3, ms: 60 } : { rounds: 15, ms: 120 }),
    });
    const results = contenders.map(({ key, label, backend, ours = false, about }, i) => {
      return { key, label, backend, ours, about, rounds: times[i], micros: quantile(times[i], 0.5) };
    });
    return { count: COUNT, dim: DIM, plan: PLAN, results };
  } finally {
    for (const { close } of contenders) await close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function lineUp(backends, python) {
  const native = backends.find((name) => name !== 'wasm' && name !== 'js');
  const mine = (key, backend, label) => ({ key, backend, ours: true, label: `funnelvec ${backend}, ${label}` });
  const line = backends.map((backend) => mine('packed', backend, 'packed matrix'));
  for (const backend of [native, 'wasm', 'js']) {
    if (backends.includes(backend)) line.push(mine('rows', backend, '`number[]` rows'));
  }
  if (native) line.push(mine('packed-f16', native, 'packed float16 matrix'));
  line.push(
    { key: 'tight', label: 'tight JS loop, `number[]` rows' },
    { key: 'tight-incremental', label: 'tight JS loop that adds only new dims, `number[]` rows' },
    { key: 'naive', label: 'naive functional JS, `number[]` rows' },
    { key: 'simsimd', label: 'simsimd per pair, prefixes cut in the call' },
    { key: 'simsimd-views', label: 'simsimd per pair, prefixes cut beforehand' },
  );
  if (python) {
    line.push(
      { key: 'numpy', label: 'vectorised numpy (float32)', python: true },
      { key: 'pandas', label: "pandas, the tutorial's loop", python: true },
    );
  }
  return line;
}

async function sameAnswers([first, ...others]) {
  const idsOf = async ({ ask }) => (await ask({ task: '' })).answer.map((hit) => hit.id).join(' ');
  const wanted = await idsOf(first);
  if (wanted.split(' ').length !== 16) throw new Error(`16 hits were expected but ${first.label} returned ${wanted}`);
  for (const other of others) {
    const got = await idsOf(other);
    if (got !== wanted) throw new Error(`${other.label} returned\n  ${got}\nbut ${first.label}\n  ${wanted}`);
  }
}
