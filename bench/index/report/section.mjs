// The index part of bench/RESULTS.md: a piece per set, each from one run.
import { recallsOf, targetOf } from '../against/against.mjs';
import { boundsOf } from '../against/bounds.mjs';

export function introduction() {
  return [
    '## The index beside its peers',
    'Exact search, the funnel along its dial, and peers along theirs; the ten nearest rows, recall@10 against brute force. Each piece below comes from one run of `npm run bench:index`. Every contender builds its file in one process and answers in another, both bound to as many cores as there are threads; one query is asked after another, unless batches are named. A latency is the median over passes. **Ratios** come from turns: our index and one peer, each warmed up by all queries before, answer the same queries alternately, and a ratio is the median over rounds of the ratio of the rounds’ p50s; an approximate peer’s time at our recall is interpolated between the next two settings of its dial. Memory is what resident memory grows by when the index is opened and its first setting has answered every query; a build includes writing the file, and before each one memory is touched once, which else would cost whoever comes first in a virtual machine.',
  ].join('\n\n');
}

/**
 * @param {{ set: object, runs: object[], about: object, resemblance?: object }} result
 * @param {string} plot name of the plot's file
 */
export function piece({ set, runs, about, resemblance }, plot) {
  const parts = [`### ${set.title}`, facts(set, about), folded('Contenders: versions and settings', who(runs))];
  if (resemblance) parts.push(folded('Are the synthetic rows like real ones?', likeness(resemblance)));
  parts.push(`![Recall against latency](plots/${plot})`);
  for (const run of runs) {
    parts.push(`#### ${set.key}, ${run.threads} ${run.threads === 1 ? 'thread' : 'threads'}`, contenders(set, run));
    const absent = run.lines.filter(({ missing }) => missing);
    if (absent.length) parts.push(absent.map(({ label, missing }) => `- ${label}: ${missing}`).join('\n'));
    const atRecalls = run.ratios.filter(({ what }) => what === 'recall');
    if (atRecalls.length) parts.push(recallTable(set, run, atRecalls));
    for (const { millis, ratio } of run.ratios.filter(({ what }) => what === 'reading')) {
      const [exact, reading] = millis.map((rounds) => figure(middle(rounds)));
      parts.push(
        `Reading 32 bytes a row from memory, one after another, takes ${reading} ms where exact search takes ${exact}, in turns: ${figure(ratio)} ×.`,
      );
    }
    const batches = run.ratios.filter(({ what }) => what === 'batch');
    if (batches.length) parts.push(batchTable(batches));
    const many = run.ratios.filter(({ what }) => what === 'many');
    if (many.length) parts.push(manyTable(run, many));
    if (run.beside) parts.push(besideTable(run.beside));
    parts.push(bounds(set, run), losses(run), folded('Every setting', curves(run)));
  }
  return parts.join('\n\n');
}

function facts(set, { date, cpu, cores, node, load, quick, reuse }) {
  const kept = reuse
    ? ' Index files that earlier runs had left, and the times of their builds, are those of these runs.'
    : '';
  const base = set.base ? ` Rows follow those of: ${set.base}.` : '';
  return `${set.count.toLocaleString('en')} rows × ${set.dim}, ${set.queries} queries.${base} Measured ${date} on ${cpu}, ${cores} cores, Node ${node}, load before the run ${load.toFixed(1)}.${kept}${load > cores ? ' **The machine was busy: ratios come from turns, times are for orientation.**' : ''}${quick ? ' **A quick run, not for quoting.**' : ''}`;
}

/** Each contender once, from the first run that has it. */
function who(runs) {
  const lines = runs.flatMap((run) => run.lines).filter(({ missing }) => !missing);
  const first = lines.filter(({ key }, i) => lines.findIndex((other) => other.key === key) === i);
  return first
    .map(({ label, about, version }) => {
      const versions = Object.entries(version).map(([name, number]) => `${name} ${number}`);
      return `- ${label}: ${versions.join(', ')}; ${about}`;
    })
    .join('\n');
}

/** A line each: exact, or the fastest setting that reaches the recall asked for, or the best there is. */
function contenders(set, { lines, ratios }) {
  const target = targetOf(set.count);
  const rows = lines.flatMap((line) => {
    const { key, label, ours, kind, settings, built, resident, missing } = line;
    if (missing) return [];
    const exact = settings.filter(({ name }) => name === 'exact');
    const dial = settings.filter(({ name }) => name !== 'exact');
    const shown = [...exact, ...(dial.length ? [bestOf(dial, target)] : [])];
    return shown.map((one, i) => [
      ours ? `**${label}**` : label,
      one.name,
      one.recall.toFixed(4) + (one.others ? ` (${one.others} of ${one.asked} answers differ)` : ''),
      figure(one.p50),
      figure(one.p95),
      ours ? '' : ratioCell(ratios, key, kind),
      ...(i === 0 ? [figure(built.seconds), megabytes(resident), megabytes(built.fileBytes)] : ['', '', '']),
    ]);
  });
  const head = [
    'contender',
    `setting for recall ≥ ${target}`,
    'recall@10',
    'p50 ms',
    'p95 ms',
    'ours ÷ theirs',
    'build s',
    'memory MB',
    'file MB',
  ];
  const { built } = lines.find(({ missing }) => !missing) ?? {};
  const note = built && built.buildThreads > 1 ? `Built on ${built.buildThreads} threads.` : 'Built on one thread.';
  return [table(head, rows, 'llrrrrrrr'), note].join('\n\n');
}

function bestOf(settings, target) {
  const reaching = settings.filter(({ recall }) => recall >= target);
  if (reaching.length) return reaching.reduce((best, one) => (one.p50 < best.p50 ? one : best));
  return settings.reduce((best, one) => (one.recall > best.recall ? one : best));
}

function curves({ lines }) {
  const rows = lines.flatMap(({ label, ours, settings, missing }) => {
    if (missing) return [];
    return settings.map(({ name, recall, p50, p95 }) => [
      ours ? `**${label}**` : label,
      name,
      recall.toFixed(4),
      figure(p50),
      figure(p95),
    ]);
  });
  return table(['contender', 'setting', 'recall@10', 'p50 ms', 'p95 ms'], rows, 'llrrr');
}

function ratioCell(ratios, key, kind) {
  const one = ratios.find(({ peer, what }) => peer === key && what === (kind === 'exact' ? 'exact' : 'funnel'));
  if (!one) return '';
  if (one.what === 'exact') return figure(one.ratio);
  return `${figure(one.ratio)} at ${one.recall.toFixed(4)}${one.reached ? '' : ', which it does not reach'}`;
}

const folded = (title, text) => `<details><summary>${title}</summary>\n\n${text}\n\n</details>`;

function batchTable(batches) {
  const rows = batches.map(({ batch, millis: [ours, theirs], ratio }) => [
    String(batch),
    figure(middle(ours)),
    figure(middle(theirs)),
    figure(ratio),
  ]);
  return table(['exact queries in a batch', 'funnelvec, ms a query', 'IndexFlatIP, ms a query', 'ratio'], rows, 'rrrr');
}

/** Mode funnel in batches beside the peers that take batches, each at its fastest setting that reaches the recall. */
function manyTable({ lines }, found) {
  const rows = found.map(({ peer, batch, target, name, reached, millis: [ours, theirs], ratio }) => [
    String(batch),
    `≥ ${target} (ours: ${name})`,
    lines.find(({ key }) => key === peer).label,
    figure(middle(ours)),
    ...(reached ? [figure(middle(theirs)), figure(ratio)] : ['it does not reach that', '']),
  ]);
  const head = ['queries in a batch', 'recall', 'peer', 'funnelvec, ms a query', 'the peer, ms a query', 'ratio'];
  return table(head, rows, 'rllrrr');
}

/** Our fastest setting that reaches a recall, beside each peer's time there. */
function recallTable(set, { lines }, found) {
  const targets = recallsOf(set.count);
  const settingAt = (target) => found.find((one) => one.target === target)?.name ?? 'not reached';
  const head = ['ours ÷ theirs', ...targets.map((target) => `at recall ≥ ${target} (ours: ${settingAt(target)})`)];
  const peers = lines.filter(({ key }) => found.some(({ peer }) => peer === key));
  const rows = peers.map(({ key, label }) => {
    const cells = targets.map((target) => {
      const one = found.find(({ peer, target: at }) => peer === key && at === target);
      return !one ? '' : one.reached ? figure(one.ratio) : 'it does not reach that';
    });
    return [label, ...cells];
  });
  return table(head, rows, `l${'r'.repeat(targets.length)}`);
}

function besideTable(cases) {
  const rows = cases.map(({ name, p50, p90, recall, ratio, differ }) => [
    name + (differ > 0 ? ` (${differ} answers differ)` : ''),
    ...p50.map(figure),
    ...p90.map(figure),
    ...recall.map((share) => share.toFixed(4)),
    figure(ratio),
  ]);
  const head = ['beside the other build', 'p50 ms', 'its p50', 'p90 ms', 'its p90', 'recall@10', 'its recall', 'ratio'];
  return table(head, rows, 'lrrrrrrr');
}

function bounds(set, run) {
  const rows = boundsOf(set, run).map(({ what, value, most, unit, met }) => [
    met === undefined ? 'not measured' : met ? 'PASS' : '**FAIL**',
    what,
    value === undefined ? '' : `${figure(value)} ${unit}`,
    `${figure(most)} ${unit}`,
  ]);
  return table(['', 'bound', 'measured', 'at most'], rows, 'llrr');
}

/** Who is faster than our index at what it was asked for, said plainly. */
function losses({ lines, ratios }) {
  if (!lines.some(({ ours, missing }) => ours && !missing)) return 'funnelvec’s index was not in this run.';
  // A peer that does not reach a recall is no faster there.
  const lost = ratios.filter(
    ({ peer, what, reached, ratio }) =>
      peer !== undefined && ratio > 1 && (!['recall', 'many'].includes(what) || reached),
  );
  if (lost.length === 0) return 'No peer is faster, exact or at our recall.';
  const label = (key) => lines.find((one) => one.key === key).label;
  const list = lost.map(({ peer, what, batch, target, recall, ratio }) => {
    const tasks = {
      batch: `batches of ${batch}`,
      exact: 'exact',
      funnel: `funnel at our recall of ${recall?.toFixed(4)}`,
      recall: `funnel at recall ≥ ${target}`,
      many: `funnel in batches of ${batch} at recall ≥ ${target}`,
    };
    const task = tasks[what];
    return `- ${task}: ${label(peer)}, our time is ${figure(ratio)}×`;
  });
  return `funnelvec loses:\n\n${list.join('\n')}`;
}

function likeness({ note, columns, rows }) {
  return [note, table(['', ...columns], rows, `l${'r'.repeat(columns.length)}`)].join('\n\n');
}

function table(head, rows, columns) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const rule = [...columns].map((side) => (side === 'r' ? '--:' : ':--'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

const middle = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const megabytes = (bytes) => (typeof bytes === 'number' ? figure(bytes / 1e6) : '');

function figure(value) {
  if (value === 0) return '0';
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
