/** Asynchronous searches where there are threads: in these, or on the calling thread where they are short. */
import { inSlices } from '../core/slices.js';
import { usableThreads } from '../core/threads.js';
import { othersTurn, overdue } from '../core/turns.js';
import { Conditions } from '../query/filter/conditions.js';
import type { CheckedFilter, Matched } from './filters.js';
import { type SearchedRows, type SearchGroup, ShortSearches } from './inline.js';
import { oneMoment, type Whole } from './one-moment.js';
import type { OpenIndex } from './open-index.js';
import type { CheckedQuery } from './request.js';
import type { Restricted } from './restrictions.js';
import { answerOf, isTiny, requestsFor, resultsOf, searchHere, searchInTeam } from './search-here.js';
import type { IndexAnswer } from './types.js';

export async function searchBesideThreads<Payload>(
  index: OpenIndex,
  own: CheckedQuery[],
): Promise<IndexAnswer<Payload>[]> {
  index.inline.underWay++;
  try {
    const isFiltered = own.some(({ filter }) => filter instanceof Conditions);
    return await oneMoment(
      () => index.followed().files,
      (hold) => attempted<Payload>(index, own, hold),
      () => searchHere<Payload>(index.followed(), own),
      isFiltered,
    );
  } finally {
    index.inline.underWay--;
  }
}

/**
 * Rows that die during a search may or may not be in its answer, and their successors are not: such an answer is of no moment
 * at all. So is one by payloads that are others by now.
 */
async function attempted<Payload>(
  index: OpenIndex,
  own: CheckedQuery[],
  payloadsHold: () => boolean,
): Promise<Whole<IndexAnswer<Payload>[]>> {
  const { live, files } = index;
  const { deaths } = live;
  const { staleReads } = files;
  const isOfOneMoment = () => live.deaths === deaths && files.staleReads === staleReads && payloadsHold();
  const matched = await inSlices(index.restrictions.match(own), index.checkOpen);
  index.checkOpen();
  if (isTiny(index, own.length) && isOfOneMoment()) {
    const value = searchHere<Payload>(index, own, matched);
    if (overdue()) await othersTurn();
    return { value, isWhole: true };
  }
  const ms = index.inline.shortTime(own, searchedRows(index, matched));
  const turn = ms === undefined ? undefined : shortSearches(index).turn(ms);
  const group = turn && (await turn);
  index.checkOpen();
  if (ms !== undefined && !isOfOneMoment()) return { value: [], isWhole: false };
  let searched: Promise<IndexAnswer<Payload>[]>;
  if (group !== undefined) searched = group.search<Payload>(own, matched);
  else if (ms !== undefined) searched = searchAlone<Payload>(index, own, matched, ms);
  else searched = searchInThreads<Payload>(index, own, matched);
  const value = await searched;
  const isWhole = isOfOneMoment();
  if (!isWhole) index.checkOpen();
  return { value, isWhole };
}

function searchedRows(
  { live: { unindexed, segments }, dim, restrictions }: OpenIndex,
  matched: ReadonlyMap<CheckedFilter, Matched>,
): SearchedRows {
  return {
    values: unindexed.length * dim,
    segments,
    passing: (filter) => restrictions.passing(filter, matched),
  };
}

/** The same of a search that was made. */
function rowsSearched(
  { unindexed, segments }: { unindexed: Uint32Array; segments: object },
  dim: number,
  only: Restricted,
): SearchedRows {
  const passing = (filter: CheckedFilter) => only.get(filter)?.stats.matched;
  return { values: unindexed.length * dim, segments, passing };
}

const shortSearchesOf = new WeakMap<OpenIndex, ShortSearches<OneMessage>>();

function shortSearches(index: OpenIndex): ShortSearches<OneMessage> {
  let all = shortSearchesOf.get(index);
  if (all === undefined) {
    // This thread is busy with others of them.
    const threads = Math.max(1, Math.min(index.pool.size, usableThreads() - 1));
    all = new ShortSearches(threads, () => new OneMessage(index));
    shortSearchesOf.set(index, all);
  }
  return all;
}

interface Member {
  own: CheckedQuery[];
  matched: ReadonlyMap<CheckedFilter, Matched>;
  // biome-ignore lint/suspicious/noExplicitAny: each has payloads of its own type
  resolve(answers: Promise<IndexAnswer<any>[]> | IndexAnswer<any>[]): void;
  reject(error: unknown): void;
}

/** Short searches of one message. */
class OneMessage implements SearchGroup {
  readonly #members: Member[] = [];

  constructor(readonly index: OpenIndex) {}

  search<Payload>(own: CheckedQuery[], matched: ReadonlyMap<CheckedFilter, Matched>): Promise<IndexAnswer<Payload>[]> {
    return new Promise((resolve, reject) => {
      this.#members.push({ own, matched, resolve, reject });
    });
  }

  async send(): Promise<void> {
    if (this.#members.length === 0) return;
    const own = this.#members.flatMap((member) => member.own);
    const matched = new Map(this.#members.flatMap((member) => [...member.matched]));
    try {
      const answers = await searchInThreads<never>(this.index, own, matched, 1);
      let from = 0;
      for (const member of this.#members) {
        member.resolve(answers.slice(from, from + member.own.length));
        from += member.own.length;
      }
    } catch (error) {
      // The fault of one of them is not that of the others.
      for (const member of this.#members) {
        if (this.#members.length === 1) member.reject(error);
        else member.resolve(searchInThreads<never>(this.index, member.own, member.matched));
      }
    }
  }
}

/** @param most threads that share the queries */
async function searchInThreads<Payload>(
  index: OpenIndex,
  own: CheckedQuery[],
  matched: ReadonlyMap<CheckedFilter, Matched>,
  most = index.pool.size,
): Promise<IndexAnswer<Payload>[]> {
  const { snapshot, done } = index.live.use();
  const only: Restricted = new Map();
  try {
    const requests = requestsFor(index, own, matched, only);
    const parts = Math.min(most, Math.ceil(own.length / 4));
    const size = Math.ceil(own.length / parts);
    // All must end before the snapshot and the masks may go: a search that runs on would write into another filter's.
    const ended = await Promise.allSettled(
      Array.from({ length: parts }, async (_, p) => {
        const part = own.slice(p * size, (p + 1) * size);
        const { results, ms } = await index.pool.search(snapshot, requests.slice(p * size, (p + 1) * size));
        index.inline.measured(part, ms / part.length, rowsSearched(snapshot, index.dim, only));
        const answers: IndexAnswer<Payload>[] = [];
        for (const [i, result] of results.entries()) {
          const answer = answerOf<Payload>(index, part[i]!, result, ms / part.length, only);
          answers.push(await inSlices(answer, index.checkOpen));
        }
        return answers;
      }),
    );
    return ended.flatMap((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
  } finally {
    done();
    index.restrictions.drop(only);
  }
}

/**
 * On the calling thread. Others help where this is the only search, whose caller waits for nothing else, and where they are
 * awake or worth waking; answers are put together in slices.
 *
 * @param expected milliseconds
 */
async function searchAlone<Payload>(
  index: OpenIndex,
  own: CheckedQuery[],
  matched: ReadonlyMap<CheckedFilter, Matched>,
  expected: number,
): Promise<IndexAnswer<Payload>[]> {
  const only: Restricted = new Map();
  try {
    const requests = requestsFor(index, own, matched, only);
    const start = performance.now();
    index.pool.searchesHere();
    const isHelped = index.inline.gainsByHelp(expected, start);
    const results = isHelped ? searchInTeam(index, requests) : resultsOf(index, requests);
    const end = performance.now();
    index.inline.hasEnded(end);
    const ms = (end - start) / own.length;
    index.inline.measured(own, ms, rowsSearched(index.live, index.dim, only));
    const answers: IndexAnswer<Payload>[] = [];
    for (const [i, result] of results.entries()) {
      answers.push(await inSlices(answerOf<Payload>(index, own[i]!, result, ms, only), index.checkOpen));
    }
    return answers;
  } finally {
    index.restrictions.drop(only);
  }
}
