// The table of a run over ten million rows, with a line for each of its bounds.
const GIB = 2 ** 30;
export const ROWS = 10_000_000;
/** The bounds of ten million rows of 768 dims on two cores. */
export const LIMITS = { buildBytes: 8 * GIB, buildMinutes: 15, recall: 0.95, millis: 8, searchBytes: 2 * GIB };

const gib = (bytes) => `${(bytes / GIB).toFixed(2)} GiB`;
const minutes = (seconds) => `${(seconds / 60).toFixed(1)} min`;
/** Processor time of all threads beside it: what is less of that than cores were there has waited, for files or for other processes. */
const took = (seconds, cpu) => `${minutes(seconds)} (${minutes(cpu)} of processors)`;
const millis = (ms) => `${ms < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms`;

export function section({ job, built, cold, warm, peer, load, date, base }) {
  const { written, optimized, killed } = built;
  const seconds = written.seconds + optimized.seconds;
  const peak = Math.max(written.memory.peak, optimized.memory.peak);
  const codes = warm.stats.resident.codes;
  const enough = warm.settings.filter(({ recall }) => recall >= LIMITS.recall).sort((a, b) => a.p50 - b.p50)[0];
  const phases = Object.entries(optimized.phases).map(([name, { seconds: s, cpu }]) => `${name} ${took(s, cpu)}`);
  const facts = [
    `${job.count.toLocaleString('en')} rows × ${job.dim} in float16 that follow those of: ${base}; \`memory\` ${gib(job.memory)}, ${job.threads} threads. ${date}, load before ${load.toFixed(1)}.`,
    `- Written in ${took(written.seconds, written.cpu)} of upserts (most resident ${gib(written.memory.peak)}), built in ${took(optimized.seconds, optimized.cpu)}: ${phases.join(', ')} (most resident ${gib(optimized.memory.peak)}, ${gib(optimized.memory.mostOwn)} without files); ${gib(built.disk)} on disk.`,
    `- A build was on processors for ${Math.round((100 * optimized.cpu) / (optimized.seconds * job.threads))} % of the time of its ${job.threads} threads: on a machine that others use it is less, and the bounds in minutes and milliseconds are not to be had there.`,
    ...(killed === undefined
      ? []
      : [
          `- Killed in the middle of the build: ${killed.rows.toLocaleString('en')} rows were there afterwards, and the next build began anew.`,
        ]),
    `- Cold${job.dropped ? ', no file in the system’s cache' : ' (the system may have had files in its cache)'}: open ${millis(cold.open)}, first answer ${millis(cold.first)}, the 199 after it ${millis(cold.next)} (p50), the slowest ${millis(cold.worst)}.`,
    `- Resident while searching ${gib(warm.memory.now)} (at most ${gib(warm.memory.peak)}), of which codes ${gib(codes)}; exact ${millis(warm.exact)} (p50 of 20).`,
  ];
  const table = [
    '| setting | recall@10 | p50 | p95 | processor time a query |',
    '| :-- | --: | --: | --: | --: |',
    ...warm.settings.map(
      (one) =>
        `| ${one.name} | ${one.recall.toFixed(4)} | ${millis(one.p50)} | ${millis(one.p95)} | ${millis(one.cpu)} |`,
    ),
  ];
  const bounds = [
    ['rows and build', minutes(seconds), seconds <= LIMITS.buildMinutes * 60, minutes(LIMITS.buildMinutes * 60)],
    ['most resident while building', gib(peak), peak <= LIMITS.buildBytes, gib(LIMITS.buildBytes)],
    [
      `p50 at recall ${LIMITS.recall}`,
      enough === undefined ? 'not reached' : `${millis(enough.p50)} (${enough.name})`,
      enough !== undefined && enough.p50 <= LIMITS.millis,
      millis(LIMITS.millis),
    ],
    [
      'resident beyond the codes',
      gib(warm.memory.now - codes),
      warm.memory.now - codes <= LIMITS.searchBytes,
      gib(LIMITS.searchBytes),
    ],
  ].map(([what, figure, holds, limit]) => `- ${holds ? 'PASS' : 'FAIL'} ${what}: ${figure} (bound ${limit})`);
  const judged =
    job.count < ROWS ? 'Bounds are those of ten million rows: of fewer they are not judged.' : bounds.join('\n');
  return [facts.join('\n'), table.join('\n'), judged, ...(peer === undefined ? [] : [besideFaiss(job, peer)])].join(
    '\n\n',
  );
}

/** faiss's IVF on the same rows: the shapes that could not hold them, and the one that did. */
function besideFaiss({ threads }, { version, beyond, failed, shape, built, lines, resident }) {
  const without = [
    ...Object.entries(beyond).map(([name, bytes]) => `- ${name} cannot hold them: its codes alone take ${gib(bytes)}.`),
    ...Object.entries(failed).map(([name, reason]) => `- ${name} cannot hold them: ${reason}.`),
  ];
  const head = `faiss ${version} beside it, one process with ${gib(LIMITS.buildBytes)} of memory at most, ${threads} threads:`;
  if (built === undefined) return [head, without.join('\n')].join('\n\n');
  const did = `- ${shape}: rows and build ${took(built.seconds, built.cpu)}, most resident ${gib(built.peak)}, while searching ${gib(resident)}.`;
  const table = [
    '| faiss | recall@10 | p50 | p95 |',
    '| :-- | --: | --: | --: |',
    ...lines.map((one) => `| ${one.name} | ${one.recall.toFixed(4)} | ${millis(one.p50)} | ${millis(one.p95)} |`),
  ];
  return [head, [...without, did].join('\n'), table.join('\n')].join('\n\n');
}
