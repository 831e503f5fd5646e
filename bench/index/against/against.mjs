// Our index against every peer, in turns: the ratios that the bounds are about.

import { start } from '../contenders/processes.mjs';
import { READING } from '../contenders/reading.mjs';
import { curveRatio, duel, plainRatio, timeAt } from './duel.mjs';

/** Batches of exact queries, and the rows from which on they are timed. */
const BATCHES = [100, 500];
const BATCH_ROWS = [100_000, 200_000];
/** Batches of mode funnel beside peers that take many queries at once, from the same rows on. */
export const FUNNEL_BATCHES = [100, 1000];
const TAKE_BATCHES = ['faiss-ivfpq', 'scann'];

/** Recall that the funnel must reach. */
export const targetOf = (count) => (count > 200_000 ? 0.975 : 0.99);

/** Recalls at which the fastest settings that reach them are compared: those of the bounds. */
export function recallsOf(count) {
  if (count > 200_000) return [0.95, 0.99, 0.999];
  return count <= 65_000 ? [0.95, 0.99] : [];
}

/** Recalls at which batches are compared. */
export function batchRecallsOf(count) {
  return count < BATCH_ROWS[0] ? [] : [0.95, 0.99];
}

/** Our fastest setting that reaches it, or undefined. */
export function chosenFunnel({ settings }, target) {
  return settings
    .map((setting, index) => ({ ...setting, index }))
    .filter(({ name, recall }) => name !== 'exact' && recall >= target)
    .sort((a, b) => a.p50 - b.p50)[0];
}

/**
 * @param {object[]} lines what curve() found, with contender and job
 * @returns {Promise<object[]>} { peer, what: 'exact' | 'funnel' | 'batch' | 'recall' | 'many' | 'reading', ratio, … }; 'funnel' is
 *   at our recall, 'recall' at those of recallsOf, 'many' in batches at those of batchRecallsOf; 'reading' is exact beside what reading
 *   takes, without a peer
 */
export async function against(lines, set, { python, effort, log }) {
  const mine = lines.find(({ contender, missing }) => contender.ours && !missing);
  const peers = lines.filter(({ contender, missing }) => !contender.ours && !missing);
  if (!mine || peers.length === 0) return [];
  const funnel = chosenFunnel(mine, targetOf(set.count));
  const found = [];
  const ours = await start('serve', mine.contender, mine.job, python);
  try {
    if (recallsOf(set.count).includes(0.999)) found.push(await reading({ ours, mine, set, effort, python, log }));
    for (const peer of peers) {
      log(`${set.key}: funnelvec and ${peer.label} in turns`);
      const theirs = await start('serve', peer.contender, peer.job, python);
      try {
        const one = { ours, theirs, mine, peer, set, effort };
        if (peer.kind === 'exact') found.push(...(await exact(one)));
        else if (funnel) found.push({ what: 'funnel', ...(await approximate(one, funnel, funnel.recall)) });
        for (const target of TAKE_BATCHES.includes(peer.key) ? batchRecallsOf(set.count) : []) {
          const fastest = chosenFunnel(mine, target);
          for (const batch of fastest ? FUNNEL_BATCHES : []) {
            found.push({ what: 'many', target, batch, ...(await approximate(one, fastest, target, batch)) });
          }
        }
        for (const target of peer.kind === 'exact' ? [] : recallsOf(set.count)) {
          const fastest = chosenFunnel(mine, target);
          if (fastest) found.push({ what: 'recall', target, ...(await approximate(one, fastest, target)) });
        }
      } finally {
        await theirs.close();
      }
    }
  } finally {
    await ours.close();
  }
  return found;
}

/** Exact search beside the time in which memory gives so many bytes for each row. */
async function reading({ ours, mine, set, effort, python, log }) {
  log(`${set.key}: exact and ${READING.label} in turns`);
  const memory = await start('serve', READING, mine.job, python);
  try {
    const { micros } = await memory.ask({ setting: 0, from: 0, to: 20 });
    const at = mine.settings.findIndex(({ name }) => name === 'exact');
    const rounds = await duel(
      { ask: ours.ask, settings: [at], slowest: mine.settings[at].p50 },
      { ask: memory.ask, settings: [0], slowest: Math.max(...micros) / 1000 },
      { rounds: effort.rounds, ms: effort.turn, queries: set.queries, warm: effort.warm },
    );
    const millis = ['ours', 'theirs'].map((side) => rounds.map((round) => round[side][0]));
    return { what: 'reading', ratio: plainRatio(rounds), millis };
  } finally {
    await memory.close();
  }
}

async function exact({ ours, theirs, mine, peer, set, effort }) {
  const common = { rounds: effort.rounds, ms: effort.turn, queries: set.queries, warm: effort.warm };
  const at = mine.settings.findIndex(({ name }) => name === 'exact');
  const left = { ask: ours.ask, settings: [at], slowest: mine.settings[at].p50 };
  const right = { ask: theirs.ask, settings: [0], slowest: peer.settings[0].p50 };
  const found = [{ peer: peer.key, what: 'exact', ratio: plainRatio(await duel(left, right, common)) }];
  const [least, most] = BATCH_ROWS;
  if (peer.key !== 'faiss-flat' || set.count < least || set.count > most) return found;
  for (const batch of BATCHES) {
    const rounds = await duel(left, right, { ...common, ms: effort.batch, batch });
    const millis = ['ours', 'theirs'].map((side) => rounds.map((round) => round[side][0]));
    found.push({ peer: peer.key, what: 'batch', batch, ratio: plainRatio(rounds), millis });
  }
  return found;
}

/** Our setting against the peer's curve at a recall. */
async function approximate({ ours, theirs, mine, peer, set, effort }, funnel, wanted, batch = 1) {
  const settings = bracket(peer.settings, wanted);
  const slowest = Math.max(...settings.map((i) => peer.settings[i].p50));
  const rounds = await duel(
    { ask: ours.ask, settings: [funnel.index], slowest: mine.settings[funnel.index].p50 },
    { ask: theirs.ask, settings, slowest },
    {
      rounds: effort.rounds,
      ms: batch > 1 ? effort.batch : effort.turn,
      queries: set.queries,
      batch,
      warm: effort.warm,
    },
  );
  const recalls = settings.map((i) => peer.settings[i].recall);
  const { name, recall } = funnel;
  const reached = Math.max(...recalls) >= wanted;
  const millis = [rounds.map((round) => round.ours[0]), rounds.map(({ theirs }) => timeAt(recalls, theirs, wanted))];
  return { peer: peer.key, name, recall, reached, ratio: curveRatio(rounds, recalls, wanted), millis };
}

/** The settings next below and above a recall: their times are what is interpolated. */
function bracket(settings, recall) {
  const above = settings.findIndex((one) => one.recall >= recall);
  if (above === -1) return [settings.length - 1];
  return above === 0 ? [0] : [above - 1, above];
}
