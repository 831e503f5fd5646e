// Results as Markdown: tables with ratios, who loses to whom, and the bounds the project set itself.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import { quantile } from './measure.mjs';

const require = createRequire(import.meta.url);

export function environment({ kernels, quick, pythonMissing }) {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: os.cpus()[0].model.trim(),
    cores: os.cpus().length,
    load: os.loadavg()[0],
    system: `${process.platform} ${process.arch}`,
    node: process.version,
    kernels,
    quick,
    pythonMissing,
  };
}

export function render(about, { kernels, funnel, servers, calls }) {
  const parts = ['# Benchmark results', header(about, funnel)];
  if (funnel) parts.push(funnelSection(funnel), boundsSection(funnel));
  if (kernels) parts.push(kernelsSection(kernels));
  if (servers) parts.push(serversSection(servers, about));
  if (calls) parts.push(`## Calls over what they call\n\n${calls.trim()}`);
  return `${parts.join('\n\n')}\n`;
}

function header(about, funnel) {
  const python = funnel?.results.find(({ key }) => key === 'pandas')?.about;
  const versions = [
    ...['funnelvec', 'tinybench', 'simsimd'].map((name) => `${name} ${versionOf(name)}`),
    ...(python ? [`Python ${python.python}`, `numpy ${python.numpy}`, `pandas ${python.pandas}`] : []),
    ...['@qdrant/js-client-rest', '@qdrant/js-client-grpc', '@zilliz/milvus2-sdk-node'].map(
      (name) => `${name} ${versionOf(name)}`,
    ),
  ];
  const lines = [
    `- ${about.date}, ${about.cpu}, ${about.cores} cores, ${about.system}, Node ${about.node}; load before the run ${about.load.toFixed(1)}`,
    `- Kernels chosen by funnelvec: **${about.kernels}**`,
    `- ${versions.join(', ')}`,
    '- The machine is noisy: read the ratios of one run, not the times. Contenders take turns in rounds; a time is the median of the rounds’ medians, a ratio to a peer the median of the rounds’ ratios. Inputs stay in the same memory for everybody, hot in the caches (but for the scanned matrix).',
    '- Reproduce: `npm run bench` (`-- --only funnel`, `-- --quick`; `FUNNELVEC_BENCH_DATA`, `QDRANT_URL`, `MILVUS_ADDRESS` change the servers part)',
  ];
  if (about.quick) lines.push('- **A quick run**: few rounds, not for quoting');
  if (about.pythonMissing) lines.push('- The Python peers could not be installed and are missing');
  return lines.join('\n');
}

/** Not every package lets its package.json be imported. */
function versionOf(name) {
  for (const folder of require.resolve.paths(name)) {
    try {
      return JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8')).version;
    } catch {}
  }
  return '(not installed)';
}

// Funnel

function funnelSection({ count, dim, plan, results }) {
  const find = (key) => results.find((one) => one.key === key);
  const sorted = [...results].sort((a, b) => a.micros - b.micros);
  const rows = sorted.map((one) => [
    one.ours ? `**${one.label}**` : one.label,
    one.micros.toFixed(1),
    `${Math.min(...one.rounds).toFixed(1)} to ${Math.max(...one.rounds).toFixed(1)}`,
    times(ratioOf(one, find('tight'))),
    times(ratioOf(one, find('naive'))),
  ]);
  return [
    `## The funnel on ${count} × ${dim} candidates`,
    `Scales ${plan.scales.join(', ')}, half kept at each, 16 hits left: the Milvus tutorial's. Each contender runs in a process of its own and returned the same ids in the same order. A time is a whole call, validation and hits included.`,
    table(['contender', 'median µs', 'rounds, µs', '× tight loop', '× naive JS'], rows, 'lrrrr'),
    'The tight loop re-scores the whole prefix at each scale, as the tutorial does. simsimd and numpy add in float32 or their own order; funnelvec adds in float64 with the same bits on every backend.',
    losses(
      results.filter((one) => one.ours),
      results.filter((one) => !one.ours),
      ({ micros }) => micros,
      'µs',
    ),
  ].join('\n\n');
}

/** Median of the ratios round by round: a slow spell of the machine meets both. */
function ratioOf(one, other) {
  const ratios = one.rounds.map((micros, round) => micros / other.rounds[round]);
  return quantile(ratios, 0.5);
}

/** Counts the missed bounds, over everything that was run. */
export function missedIn({ funnel, servers, calls }) {
  const failed = calls?.split('**FAIL**').length ?? 1;
  const missed = failed - 1 + (funnel ? boundsOf(funnel).filter(({ met }) => met === false).length : 0);
  const tables = servers?.tables ?? [];
  const mirrors = tables.filter(({ lines }) => mirrorRatio(lines) > MIRROR_BOUND).length;
  const searches = tables.flatMap(({ lines }) => searchBounds(lines));
  return missed + mirrors + [...tables.flatMap(stageBounds), ...searches].filter(({ met }) => !met).length;
}

/** The promises of funnelvec about this funnel, measured in this run. */
function boundsOf({ results }) {
  const native = results.find(({ key, backend }) => key === 'packed' && backend !== 'wasm' && backend !== 'js');
  const find = (key, backend) => results.find((one) => one.key === key && one.backend === backend);
  const bound = (what, mine, peer, most) => {
    if (!mine) return { what, most };
    const ratio = ratioOf(mine, find(peer));
    return { what, ratio, most, met: ratio <= most };
  };
  return [
    bound('native on a packed matrix ≤ 1/10 of the tight loop', native, 'tight', 1 / 10),
    bound('native on a packed matrix ≤ 1/30 of the naive JS', native, 'naive', 1 / 30),
    bound('WASM on a packed matrix ≤ 1/4 of the tight loop', find('packed', 'wasm'), 'tight', 1 / 4),
    bound('plain JS on a packed matrix no slower than the tight loop', find('packed', 'js'), 'tight', 1),
    bound(
      'native on `number[]` rows, packing included, ≤ 0.7 of the tight loop',
      find('rows', native?.backend),
      'tight',
      0.7,
    ),
  ];
}

function boundsSection(funnel) {
  const rows = boundsOf(funnel).map(({ what, ratio, most, met }) => [
    ratio === undefined ? 'skipped' : met ? 'PASS' : '**FAIL**',
    what,
    ratio?.toFixed(3) ?? 'no such kernels here',
    most.toFixed(3),
  ]);
  return ['### Bounds', table(['', 'bound', 'measured', 'at most'], rows, 'llrr')].join('\n\n');
}

// Kernels

const KERNEL_TITLES = {
  scores: '`scores`: cosine of 128 rows over all dims',
  funnel: '`funnel`: 128 rows at dims/4, dims/2, dims; 64, 32, 16 kept',
  scan: '`scan`: the 10 best rows of a matrix of 16.8 million values (64 MiB in float32, 32 in float16)',
};

function kernelsSection({ backends, tables }) {
  const best = backends[0];
  const slow = ['scalar', 'wasm', 'js'].filter((name) => name !== best && backends.includes(name));
  const head = [
    'dims',
    ...backends.map((name) => `${name}, M rows/s (GB/s)`),
    ...slow.map((name) => `${name} ÷ ${best}`),
  ];
  const parts = [
    '## Kernels by backend and dims',
    'Millions of rows per second and gigabytes of rows per second, the whole matrix counted. The last columns are ratios of times.',
  ];
  for (const { kernel, kind, lines } of tables) {
    const rows = lines.map(({ dim, rows: count, micros }) => {
      const bytes = count * dim * (kind === 'f16' ? 2 : 4);
      const speeds = backends.map((name) => `${figure(count / micros[name])} (${figure(bytes / micros[name] / 1000)})`);
      return [String(dim), ...speeds, ...slow.map((name) => times(micros[name] / micros[best]))];
    });
    const columns = 'r'.repeat(head.length);
    parts.push(`### ${KERNEL_TITLES[kernel]}, ${kind === 'f16' ? 'float16' : 'float32'}`, table(head, rows, columns));
  }
  const beaten = tables.flatMap(({ kernel, kind, lines }) =>
    lines.flatMap(({ dim, micros }) => {
      const faster = backends.filter((name) => micros[name] < micros[best]);
      const ratio = (name) => `${name} (${times(micros[name] / micros[best])})`;
      return faster.length > 0 ? [`- ${kernel}, ${kind}, ${dim} dims: ${faster.map(ratio).join(', ')}`] : [];
    }),
  );
  parts.push(
    beaten.length > 0
      ? `Where ${best}, the backend chosen, was not the fastest (its time is 1):\n\n${beaten.join('\n')}`
      : `${best}, the backend chosen, was the fastest in every line.`,
  );
  return parts.join('\n\n');
}

// Servers

function serversSection({ queries, tables }, { date, load }) {
  const { candidates, limit } = tables[0];
  const parts = [
    '## End to end on both databases',
    `One query in, ${limit} ids out, one after another; ${queries} queries, head search for ${candidates} candidates, funnelPlan()’s defaults. The usual way is the client as it comes, vectors in the hits, and the tight loop of the funnel’s table; funnelvec returned the same hits for every query. Recall@${limit} is against the server's exact full-vector search. The clients’ defaults are kept unless a line says otherwise.`,
  ];
  for (const { server, real, title, dim, levels, lines } of tables) {
    const [usual] = lines;
    const rows = lines.map(({ label, ours, p50, p95, recall, speed }) => [
      ours ? `**${label}**` : label,
      p50.toFixed(2),
      p95.toFixed(2),
      times(p50 / usual.p50),
      recall.toFixed(3),
      figure(speed),
    ]);
    parts.push(
      `### ${server}: ${title}, ${dim} dims, levels ${levels.join(' → ')}`,
      `Measured ${date}, load before the run ${load.toFixed(1)}.`,
      table(
        ['contender', 'p50 ms', 'p95 ms', '× the first line', `recall@${limit}`, 'queries/s, 8 in flight'],
        rows,
        'lrrrrr',
      ),
      mirrorBound(lines),
      ...searchBounds(lines).map(({ met, text }) => `${met ? 'PASS' : '**FAIL**'}: ${text}`),
      ...stageBounds({ lines, dim }).map(({ met, text }) => `${met ? 'PASS' : '**FAIL**'}: ${text}`),
      losses(
        lines.filter((one) => one.ours),
        lines.filter((one) => !one.ours && !one.partial),
        ({ p50 }) => p50,
        'ms',
      ),
    );
    if (!real && server.startsWith('Qdrant')) {
      parts.push(
        'The engine is the real one, its server is not: encoding and decoding run in Python here. Set `QDRANT_URL` to measure a real server.',
      );
    }
  }
  return parts.join('\n\n');
}

/** The time that re-scoring in a mirror adds to the request that it cannot do without. */
function mirrorBound(lines) {
  const ratio = mirrorRatio(lines);
  const met = ratio <= MIRROR_BOUND ? 'PASS' : '**FAIL**';
  return `${met}: ${labelOf(lines, 'ours-mirror')} ÷ ${labelOf(lines, 'ids')} ${times(ratio)}, at most ${MIRROR_BOUND}×. The latter is no answer yet: its recall is that of the head’s order.`;
}

/**
 * Stages that the database runs cost what a prefetch by hand costs, though their hits are scored again here, and find as much; and
 * they take a third of the time that vectors of all candidates take, where vectors are long.
 */
function stageBounds({ lines, dim }) {
  const pairs = [
    ['auto', 'prefetch', 'ours'],
    ['auto-grpc', 'prefetch-grpc', 'ours-grpc-plain'],
  ].filter(([key]) => byKey(lines, key));
  return pairs.flatMap(([key, hand, fetched]) => {
    const [mine, theirs, before] = [key, hand, fetched].map((one) => byKey(lines, one));
    const slower = mine.p50 / theirs.p50;
    const met = slower <= STAGES_BOUND && mine.recall >= theirs.recall - SAME_RECALL;
    const what = `${mine.label} ÷ ${theirs.label}`;
    const first = {
      met,
      text: `${what} ${times(slower)}, at most ${STAGES_BOUND}×, at recall ${mine.recall.toFixed(3)} and ${theirs.recall.toFixed(3)}`,
    };
    if (dim < LONG_VECTORS || key !== 'auto') return [first];
    const faster = before.p50 / mine.p50;
    return [
      first,
      {
        met: faster >= FETCHED_BOUND,
        text: `${before.label} ÷ ${mine.label} ${times(faster)}, at least ${FETCHED_BOUND}×`,
      },
    ];
  });
}

/** A mirror that searches costs what its index does; with payloads, what fetching these by hand does; and serves more at once. */
function searchBounds(lines) {
  const ratio = (a, b, value, what) => ({ value, what: `${labelOf(lines, a)} ÷ ${labelOf(lines, b)}${what}` });
  const pairs = [
    ['ours-searched', 'index', 'p50', 1.2],
    ['ours-searched-payload', 'retrieve', 'p50', 1.25],
    ['ours-searched-payload', 'by-hand', 'p50', 1.25],
    ['ours-searched', 'ids', 'speed', 3],
  ].filter((pair) => pair.slice(0, 2).every((key) => byKey(lines, key)));
  return pairs.map(([a, b, of, bound]) => {
    const { value, what } = ratio(
      a,
      b,
      byKey(lines, a)[of] / byKey(lines, b)[of],
      of === 'speed' ? ', in queries/s,' : '',
    );
    const met = of === 'speed' ? value >= bound : value <= bound;
    return { met, text: `${what} ${times(value)}, at ${of === 'speed' ? 'least' : 'most'} ${bound}×` };
  });
}

const STAGES_BOUND = 1.1;
const SAME_RECALL = 0.001;
const FETCHED_BOUND = 3;
const LONG_VECTORS = 768;

function mirrorRatio(lines) {
  return byKey(lines, 'ours-mirror').p50 / byKey(lines, 'ids').p50;
}

const byKey = (lines, key) => lines.find((line) => line.key === key);
const labelOf = (lines, key) => byKey(lines, key).label;

const MIRROR_BOUND = 1.15;

// Text

/** Who was faster than ours, said plainly. */
function losses(ours, others, time, unit) {
  const lines = ours.flatMap((mine) => {
    const faster = others.filter((other) => time(other) < time(mine)).sort((a, b) => time(a) - time(b));
    if (faster.length === 0) return [];
    const list = faster.map((other) => `${other.label} (${figure(time(other))} ${unit})`);
    return [`- ${mine.label} (${figure(time(mine))} ${unit}) to ${list.join('; ')}`];
  });
  if (lines.length === 0) return 'funnelvec wins every comparison here.';
  const unbeaten = ours.length - lines.length;
  const rest =
    unbeaten > 0 ? `The other ${unbeaten} funnelvec lines beat every peer.` : 'No funnelvec line beats every peer.';
  return `funnelvec loses:\n\n${lines.join('\n')}\n\n${rest}`;
}

function table(head, rows, columns) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const rule = [...columns].map((side) => (side === 'r' ? '--:' : ':--'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

/** Three digits. */
function figure(value) {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

const times = (ratio) => `${figure(ratio)}×`;
