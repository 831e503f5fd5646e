// A simulated day as a section of bench/RESULTS.md: medians of its quarters.
import { cpus, loadavg } from 'node:os';

const MB = 2 ** 20;
const QUARTERS = [0, 6, 12, 18];

export function sectionOf({ samples, counts, faults, seed, minutes, rows }) {
  const done = Object.entries(counts)
    .filter(([what]) => what !== 'openMs')
    .map(([what, count]) => `${count.toLocaleString('en')} × ${NAMES[what] ?? what}`);
  const found =
    faults.length === 0
      ? 'Nothing was lost or wrong, and hours 18 to 24 took no more than 6 to 12, within the bounds of `simulation.ts`.'
      : `Faults: ${faults.map((fault) => fault.split('\n')[0]).join('; ')}.`;
  const load = loadavg()[2];
  const busy =
    load > 2 * cpus().length
      ? `The machine was busy with other work (load ${load.toFixed(0)}): read whether times stay, not how long they are.`
      : '';
  const today = new Date().toISOString().slice(0, 10);
  return [
    `${today}, ${cpus().length} cores (${cpus()[0].model.trim()}), Node ${process.version}. Reproduce: \`npm run simulate -- --minutes ` +
      `${minutes} --seed ${seed} --write\`. ${rows.toLocaleString('en')} ids, 64 dims, default options: a writer that is killed ` +
      'or told to end every hour or two and spared in the afternoon, a mirror that it fills, readers in processes of their own. ' +
      busy,
    `${found} ${done.join(', ')}.`,
    [
      '| hours | rows | living MB | disk MB | store MB | rows and codes MB | writer RSS MB | reader RSS MB | query p50 ms | p99 ms | write p50 ms | recall |',
      '| :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |',
      ...QUARTERS.map((from) => line(samples, from)),
    ].join('\n'),
    'Medians of samples. Disk is the length of all files of the index, store what LMDB’s takes on the disk, which is less where its ' +
      'free pages are given back; they hold rows, ids and payloads of the dead, too, until these are dropped. Queries ' +
      'ask for 10 or 100 hits with payloads; recall is of mode `funnel`, at 10 to 10,000 hits, while rows come and go.',
    `![Latency, memory and bytes over a simulated day](plots/simulation.svg)`,
  ].join('\n\n');
}

const NAMES = {
  upsert: 'upsert()',
  delete: 'delete() of ids',
  expire: 'delete() of what expired',
  sync: 'syncFrom()',
  optimize: 'optimize()',
  open: 'open()',
  checks: 'look at every row of index and mirror',
  rowsChecked: 'row compared',
  probes: 'row asked of a reader beside a write',
};

function line(samples, from) {
  const some = samples.filter(({ hour }) => hour >= from && hour < from + 6);
  const writers = some.flatMap(({ writer }) => writer ?? []);
  const readers = some.flatMap(({ readers: all }) => all[0] ?? []);
  const recall = [...writers, ...some.flatMap(({ readers: all }) => all)].map((one) => one.recall);
  const sum = (key) => recall.reduce((total, one) => total + one[key], 0);
  const mb = (values) => (median(values) / MB).toFixed(0);
  const cells = [
    `${from} to ${from + 6}`,
    median(writers.map((one) => one.rows)).toFixed(0),
    mb(some.map(({ living }) => living)),
    mb(some.map(({ disk }) => disk)),
    mb(writers.map(({ files }) => files.store)),
    mb(writers.map(({ resident }) => resident.rows + resident.codes)),
    mb(writers.map(({ usage }) => usage.rss)),
    mb(readers.map(({ usage }) => usage.rss)),
    median(writers.map(({ query }) => query?.p50)).toFixed(1),
    median(writers.map(({ query }) => query?.p99)).toFixed(1),
    median(writers.map(({ write }) => write?.p50)).toFixed(1),
    (sum('found') / sum('wanted')).toFixed(4),
  ];
  return `| ${cells.join(' | ')} |`;
}

function median(values) {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
