// Two ways beside each other, so that a busy machine changes both alike: they are called in turns in one process, in random order, and
// the ratio of each pair is taken. A line tells the median of the ratios with an interval (95 %, by resampling), and whether its bound
// holds: "holds" and "missed" where the whole interval is on one side of it, "open" where it is not.

/** Requests at once, where throughput is measured. */
const IN_FLIGHT = 8;
/** Requests of one way before the other has its turn. */
const TURN = 64;
const RESAMPLED = 400;

/** @param bound { most } or { least }; none: the line is for comparison */
export async function compareTimes(name, a, b, queries, { pairs, warm, bound }) {
  for (let i = 0; i < warm; i++) {
    await a(queries[i % queries.length]);
    await b(queries[i % queries.length]);
  }
  const ratios = [];
  const times = [[], []];
  const cpu = [0, 0];
  for (let i = 0; i < pairs; i++) {
    const query = queries[i % queries.length];
    const took = [0, 0];
    for (const which of turns()) {
      const used = process.cpuUsage();
      const began = performance.now();
      await [a, b][which](query);
      took[which] = performance.now() - began;
      const { user, system } = process.cpuUsage(used);
      cpu[which] += (user + system) / 1000;
      times[which].push(took[which]);
    }
    ratios.push(took[0] / took[1]);
  }
  tell(name, ratios, bound, {
    ms: times.map((one) => round(median(one))),
    least: times.map((one) => round(quantile(one, 0.1))),
    cpu: cpu.map((one) => round(one / pairs)),
  });
}

/** Answers a second with eight requests under way, of `a` over those of `b`. */
export async function compareSpeeds(name, a, b, queries, { rounds, bound }) {
  const all = async (way) => {
    let left = TURN;
    const lane = async () => {
      while (left > 0) await way(queries[--left % queries.length]);
    };
    const began = performance.now();
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    return (1000 * TURN) / (performance.now() - began);
  };
  for (const way of [a, b, a, b]) await all(way); // connections are made, and threads start
  const ratios = [];
  const speeds = [[], []];
  for (let i = 0; i < rounds; i++) {
    for (const which of turns()) speeds[which].push(await all([a, b][which]));
    ratios.push(speeds[0].at(-1) / speeds[1].at(-1));
  }
  tell(name, ratios, bound, { perSecond: speeds.map((one) => Math.round(median(one))) });
}

/**
 * The share of the true hits that a way finds.
 *
 * @param ways answers of ids, by name; the first is the truth
 */
export async function recalls(ways, queries) {
  const [truth, ...others] = Object.entries(ways);
  const found = Object.fromEntries(others.map(([name]) => [name, 0]));
  let wanted = 0;
  for (const query of queries) {
    const ids = new Set((await truth[1](query)).map(String));
    wanted += ids.size;
    for (const [name, way] of others) found[name] += (await way(query)).filter((id) => ids.has(String(id))).length;
  }
  return Object.fromEntries(others.map(([name]) => [name, round(found[name] / wanted)]));
}

/** A value that is no ratio of times. @param least undefined: it is for comparison */
export function tellValue(name, value, { least }) {
  const verdict = least === undefined ? '      ' : value >= least ? 'holds ' : 'missed';
  console.log(`${verdict} | ${name} | ${value}${least === undefined ? '' : `, at least ${round(least)}`}`);
}

function tell(name, ratios, bound, more) {
  const sampled = Array.from({ length: RESAMPLED }, () =>
    median(Array.from(ratios, () => ratios[Math.floor(Math.random() * ratios.length)])),
  ).sort((x, y) => x - y);
  const [from, to] = [0.025, 0.975].map((share) => sampled[Math.floor(share * RESAMPLED)]);
  const { most, least } = bound ?? {};
  const limit = most === undefined ? least && `, at least ${least}` : `, at most ${most}`;
  const value = `${round(median(ratios))} (${round(from)} to ${round(to)})${limit ?? ''}`;
  console.log(`${verdictOf(from, to, bound ?? {})} | ${name} | ${value} | ${JSON.stringify(more)}`);
}

function verdictOf(from, to, { most, least }) {
  if (most === undefined && least === undefined) return '      ';
  const [good, bad] = most === undefined ? [from >= least, to < least] : [to <= most, from > most];
  return good ? 'holds ' : bad ? 'missed' : 'open  ';
}

function turns() {
  return Math.random() < 0.5 ? [0, 1] : [1, 0];
}

function quantile(numbers, at) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * at)];
}

function median(numbers) {
  return quantile(numbers, 0.5);
}

function round(value) {
  return Number(value.toFixed(3));
}
