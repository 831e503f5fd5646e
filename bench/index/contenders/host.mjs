// The inside of a Node contender's process: node --expose-gc host.mjs build|serve <job as JSON>
//
// build: makes the index file, sends { seconds, peak, version }. serve: opens it, sends { settings, about, version }, then answers
//   { setting, from, to, batch?, ms?, answers? } → { micros, ids }   a call is one query, or `batch` of them
//   { resident: true } → { resident }                                bytes more than before the index was opened
import { createInterface } from 'node:readline';
import { peak, resident } from '../memory/resident.mjs';
import { Rows } from '../sets/rows.mjs';

const [role, text] = process.argv.slice(2);
const job = JSON.parse(text);
const { contenders } = await import(`./${job.module}.mjs`);
const contender = contenders[job.contender];
const send = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

async function build() {
  const rows = new Rows(job);
  const seconds = await contender.build(rows, job, async (work) => {
    const start = performance.now();
    await work();
    return (performance.now() - start) / 1000;
  });
  send({ seconds, peak: peak(), version: await contender.version() });
}

async function serve() {
  const asked = new Rows({ ...job, rows: 'queries.f32', count: job.queries });
  // Each in a buffer of its own, as it comes from a model (and usearch's exact search reads a buffer from its start).
  const queries = Array.from({ length: job.queries }, (_, row) => asked.read(row, row + 1));
  const before = resident();
  const index = await contender.open(job);
  const { settings } = index;
  send({
    ready: true,
    settings: settings.map(({ name }) => name),
    about: contender.about(job),
    version: await contender.version(),
  });
  for await (const line of createInterface({ input: process.stdin })) {
    const message = JSON.parse(line);
    if (message.resident) send({ resident: before && resident() - before });
    else send(await onePass(index, settings[message.setting], queries, message));
  }
  await index.close?.();
}

async function onePass(index, setting, queries, { from, to, batch = 1, ms = Number.POSITIVE_INFINITY, answers }) {
  const micros = [];
  const ids = [];
  await index.set?.(setting);
  const end = performance.now() + ms;
  for (let at = from; at < to; at += batch) {
    const asked = Array.from({ length: batch }, (_, i) => queries[(at + i) % queries.length]);
    const start = performance.now();
    const pending = batch === 1 ? index.search(asked[0], setting) : index.searchBatch(asked, setting);
    // Awaiting what is no promise would cost a tick.
    const found = pending instanceof Promise ? await pending : pending;
    micros.push((performance.now() - start) * 1000);
    if (answers) ids.push(...(batch === 1 ? [index.ids(found)] : found.map((one) => index.ids(one))));
    if (performance.now() > end) break;
  }
  return { micros, ids };
}

await { build, serve }[role]();
// Some peers keep threads or timers.
process.stdout.write('', () => process.exit(0));
