// Ours and one peer in turns, a few queries at a time, so that a slow spell of the machine meets both.
import { quantile } from '../../measure.mjs';

/** Queries of a pass: as many as fit into `ms` at this speed. */
const FEWEST = 20;

/**
 * Medians by round, in milliseconds: [{ ours: number[], theirs: number[] }], a number per setting.
 * @param ours, theirs { ask, settings: indices, slowest: ms a query }
 * @param options.warm { least, most } each setting is asked every query before the first round, for so many milliseconds
 */
export async function duel(ours, theirs, { rounds, ms, queries, batch = 1, warm }) {
  const results = [];
  if (warm) for (const side of [ours, theirs]) await warmUp(side, queries, warm);
  for (let round = 0; round <= rounds; round++) {
    const sides = [ours, theirs];
    const medians = new Map();
    const slowest = Math.max(ours.slowest, theirs.slowest) * batch;
    const calls = Math.max(batch === 1 ? FEWEST : 2, Math.min(Math.round(ms / slowest), Math.ceil(queries / batch)));
    const from = (round * calls * batch) % queries;
    for (const side of round % 2 === 0 ? sides : sides.reverse()) {
      const all = [];
      for (const setting of side.settings) {
        const { micros } = await side.ask({ setting, from, to: from + calls * batch, batch });
        all.push(quantile(micros, 0.5) / 1000 / batch);
      }
      medians.set(side, all);
    }
    // Round 0 brings the caches to what turns leave of them.
    if (round > 0) results.push({ ours: medians.get(ours), theirs: medians.get(theirs) });
  }
  return results;
}

/**
 * A process that serves has compiled what it runs, as JavaScript does by and by, over some thousand calls; and what it reads of
 * its files is in the page cache again, from where the builds of others may have driven it.
 */
async function warmUp({ ask, settings }, queries, { least, most }) {
  for (const setting of settings) {
    const end = performance.now() + least;
    do await ask({ setting, from: 0, to: queries, ms: most });
    while (performance.now() < end);
  }
}

/** Median over rounds of the first settings' ratio. */
export function plainRatio(rounds) {
  return quantile(
    rounds.map(({ ours, theirs }) => ours[0] / theirs[0]),
    0.5,
  );
}

/** The same against the peer's curve at our recall: the peer's settings have `recalls`. */
export function curveRatio(rounds, recalls, recall) {
  const ratios = rounds.map(({ ours, theirs }) => ours[0] / timeAt(recalls, theirs, recall));
  return quantile(ratios, 0.5);
}

/**
 * Time of a curve at a recall: linear in recall, logarithmic in time. Above the curve's last point it is that point's time,
 * which flatters the peer, and below its first one that one's.
 */
export function timeAt(recalls, times, recall) {
  const points = recalls.map((r, i) => ({ r, t: times[i] })).sort((a, b) => a.r - b.r || a.t - b.t);
  const above = points.findIndex(({ r }) => r >= recall);
  if (above === -1) return points.at(-1).t;
  if (above === 0) return points[0].t;
  const [low, high] = [points[above - 1], points[above]];
  const share = (recall - low.r) / (high.r - low.r);
  return Math.exp(Math.log(low.t) + share * (Math.log(high.t) - Math.log(low.t)));
}
