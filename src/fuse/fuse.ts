/** Ranked lists of several searches as one, by the ids that they share. */
import { expected, FunnelError } from '../core/errors.js';
import type { Id } from '../core/types.js';
import { checkId, checkInteger, checkKeys, isId } from '../core/validate.js';

/** One hit of a ranked list: an id, or an object that has one. Its other fields come back in the trace. */
export type Ranked =
  | Id
  | {
      /** The id by which lists are joined: an integer within ±(2^53 − 1), a bigint or a string. */
      readonly id: Id;
      /** Read by method 'weighted' alone. Larger or smaller may be better: the order of the list says which. */
      readonly score?: number | undefined;
    };

/** Best first, each id once. */
export type RankedList<Hit extends Ranked = Ranked> = readonly Hit[];

/** Options of fuse(). */
export interface FuseOptions {
  /**
   * 'rrf': reciprocal rank fusion, the sum of weight / (k + rank) over the lists, ranks from 1; scores are not looked at.
   * 'weighted': the sum of weight × score, the scores of each list brought to 0..1 first (its best is 1, its last 0), which
   * every hit must have.
   *
   * @default 'rrf'
   */
  method?: 'rrf' | 'weighted';
  /** The constant of 'rrf', at least 0: the larger, the less the first ranks count beside later ones. @default 60 */
  k?: number;
  /** One for each list, at least 0. @default 1 for each */
  weights?: readonly number[];
  /** Hits to return. @default all */
  limit?: number;
}

/** The part of one list in a fused hit. */
export interface FusedFrom<Hit extends Ranked = Ranked> {
  /** Which of the lists, from 0. */
  list: number;
  /** The rank there, from 1. */
  rank: number;
  /** The list's share of the fused score. */
  share: number;
  /** The list's own hit, by reference. */
  hit: Hit;
}

/** One hit of the fused list. */
export interface FusedHit<Hit extends Ranked = Ranked> {
  /** As the first list that has it writes it. */
  id: Id;
  /** Larger is better, whatever the lists' scores were. */
  score: number;
  /** In the order of the lists; those that lack the id are left out. */
  from: FusedFrom<Hit>[];
}

const KEYS = ['method', 'k', 'weights', 'limit'] as const;
const MOST_LISTS = 1000;

/**
 * One ranked list of several, over the ids that they share: 7, 7n and '7' are one id. Hits of equal score are ordered by
 * their best rank in any list, then by the number of the list where they have it, so that an answer is always the same.
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_ID (also for an id that stands twice in one list), NOT_FINITE
 * @example
 * const hits = fuse([miniSearch.search(text), (await index.query({ vector, limit: 50 })).hits], { limit: 10 });
 */
export function fuse<const Lists extends readonly RankedList[]>(
  lists: Lists,
  options: FuseOptions = {},
): FusedHit<Lists[number][number]>[] {
  type Hit = Lists[number][number];
  checkKeys(options, KEYS, 'the options of fuse()');
  const { method = 'rrf', k, weights, limit } = options; // read once
  if (method !== 'rrf' && method !== 'weighted')
    throw expected('BAD_ARGUMENT', "'rrf' or 'weighted'", 'method', method);
  if (!Array.isArray(lists) || lists.length === 0 || lists.length > MOST_LISTS) {
    throw expected('BAD_ARGUMENT', `an array of 1 to ${MOST_LISTS} ranked lists`, 'lists', lists);
  }
  const smoothing = checkK(k, method);
  const weightOf = checkWeights(weights, lists.length);
  if (limit !== undefined) checkInteger(limit, 1, Number.MAX_SAFE_INTEGER, 'limit');
  const found = new Map<string, FusedHit<Hit>>();
  for (const [l, list] of lists.entries()) {
    const own = checkList<Hit>(list, l);
    const scores = method === 'weighted' ? unitScores(own, l) : undefined;
    for (const [i, { id, hit }] of own.entries()) {
      const share = weightOf[l]! * (scores === undefined ? 1 / (smoothing + i + 1) : scores[i]!);
      const from: FusedFrom<Hit> = { list: l, rank: i + 1, share, hit };
      const key = String(id);
      const before = found.get(key);
      if (before === undefined) found.set(key, { id, score: 0, from: [from] });
      else if (before.from.at(-1)!.list !== l) before.from.push(from);
      else throw twice(id, l, before.from.at(-1)!.rank - 1, i);
    }
  }
  const fused = [...found.values()];
  for (const hit of fused) hit.score = sumOf(hit.from);
  const ranked = fused.map((hit) => ({ hit, best: bestOf(hit.from) }));
  ranked.sort((a, b) => b.hit.score - a.hit.score || a.best.rank - b.best.rank || a.best.list - b.best.list);
  return ranked.slice(0, limit).map(({ hit }) => hit);
}

/** From the smallest on: the same shares give the same bits, whichever lists they are of. */
function sumOf(from: readonly FusedFrom[]): number {
  return from
    .map(({ share }) => share)
    .sort((a, b) => a - b)
    .reduce((sum, share) => sum + share, 0);
}

function bestOf<Hit extends Ranked>(from: readonly FusedFrom<Hit>[]): FusedFrom<Hit> {
  return from.reduce((best, one) => (one.rank < best.rank ? one : best));
}

function checkK(k: unknown, method: string): number {
  if (k === undefined) return 60;
  if (method !== 'rrf') {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected no k for method '${method}', which has no use for it: leave it out`,
    );
  }
  if (typeof k !== 'number' || !Number.isFinite(k) || k < 0) {
    throw expected('BAD_ARGUMENT', 'a finite number of at least 0', 'k', k);
  }
  return k;
}

function checkWeights(weights: unknown, count: number): number[] {
  if (weights === undefined) return new Array<number>(count).fill(1);
  if (!Array.isArray(weights) || weights.length !== count) {
    throw expected('BAD_ARGUMENT', `an array of ${count} numbers, one for each list,`, 'weights', weights);
  }
  const own = Array.from(weights, (weight: unknown, l) => {
    if (typeof weight === 'number' && Number.isFinite(weight) && weight >= 0) return weight;
    throw expected('BAD_ARGUMENT', 'a finite number of at least 0', `weights[${l}]`, weight);
  });
  if (own.some((weight) => weight > 0)) return own;
  throw new FunnelError(
    'BAD_ARGUMENT',
    'Expected a weight above 0 in weights but received none: nothing would be ranked',
  );
}

interface Entry<Hit> {
  id: Id;
  hit: Hit;
}

function checkList<Hit extends Ranked>(list: unknown, l: number): Entry<Hit>[] {
  if (!Array.isArray(list)) {
    throw expected('BAD_ARGUMENT', 'an array of hits, best first,', `lists[${l}]`, list);
  }
  return Array.from(list, (hit: unknown, i): Entry<Hit> => {
    const where = `lists[${l}][${i}]`;
    if (isId(hit)) return { id: exactId(hit, where), hit: hit as Hit };
    if (typeof hit !== 'object' || hit === null) {
      throw expected('BAD_ID', 'an id, or an object with one,', where, hit);
    }
    return { id: exactId((hit as { id?: unknown }).id, `${where}.id`), hit: hit as Hit };
  });
}

function exactId(id: unknown, where: string): Id {
  const own = checkId(id, where);
  if (typeof own !== 'number' || Number.isSafeInteger(own)) return own;
  throw expected('BAD_ID', 'an integer within ±(2^53 − 1), a bigint or a string', where, own);
}

function twice(id: Id, l: number, first: number, second: number): FunnelError {
  return new FunnelError(
    'BAD_ID',
    `Expected each id once in lists[${l}] but received ${String(id)} at ${first} and ${second}: keep the best of each id ` +
      '(of parts of one document, its best part)',
  );
}

/** The scores of a list as 0..1, whichever direction is better there: its order says so. */
function unitScores(list: readonly Entry<Ranked>[], l: number): number[] {
  const scores = list.map(({ hit }, i) => {
    const score = isId(hit) ? undefined : hit.score;
    if (typeof score !== 'number') {
      throw expected(
        'BAD_ARGUMENT',
        "a number, since method 'weighted' adds scores,",
        `lists[${l}][${i}].score`,
        score,
      );
    }
    if (!Number.isFinite(score)) throw expected('NOT_FINITE', 'a finite number', `lists[${l}][${i}].score`, score);
    return score;
  });
  const first = scores[0] ?? 0;
  const last = scores.at(-1) ?? 0;
  const rises = last > first;
  for (let i = 1; i < scores.length; i++) {
    if (rises ? scores[i]! >= scores[i - 1]! : scores[i]! <= scores[i - 1]!) continue;
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected the hits of lists[${l}] best first but received the score ${scores[i]} behind ${scores[i - 1]} (at ${i}): sort it`,
    );
  }
  // In halves: the difference of two large scores may be beyond float64.
  const span = last / 2 - first / 2;
  return scores.map((score) => (span === 0 ? 1 : (last / 2 - score / 2) / span));
}
