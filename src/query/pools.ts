/** One pool from several head searches: of a source that knows no strategies, one near each positive example. */

import type { QueryVector } from '../core/vector.js';
import { inOrder, joined as joinedRows } from './source/rows.js';
import type { HeadAnswer, HeadRequest, Source } from './source/source.js';

/** How a pool is ranked where it is not by one vector. */
export interface ByExamples {
  /** Rank by these in place of the vector; then larger scores are better. */
  recommend?: HeadRequest['recommend'];
  /** The positive examples of that. */
  liked?: readonly QueryVector[];
}

/**
 * The head searches that make a request's pool. A row is as good as its most similar positive is similar, so that what is
 * near any of them belongs to it; a sum is searched by one vector, which the request has already.
 */
export function headRequests(
  request: HeadRequest,
  { recommend, liked = [] }: ByExamples,
  { recommends }: Source,
): HeadRequest[] {
  if (recommends || recommend?.strategy !== 'best_score') return [request];
  const vectors = liked.filter(({ isZero }) => !isZero);
  return vectors.length < 2 ? [request] : vectors.map((vector) => vector.handOut({ ...request }));
}

/** Joins several answers into one that holds each point once. */
export function joinedAnswers(answers: readonly HeadAnswer[]): HeadAnswer {
  const [first] = answers;
  if (answers.length === 1) return first!;
  const rows = joinedRows(answers.map(({ candidates }) => ({ ...candidates, ids: Array.from(candidates.ids!) })));
  const ids = [...new Set(rows.ids)];
  const scores = answers.flatMap(({ candidates }) => Array.from(candidates.headScores!));
  const scoreOf = new Map(rows.ids.map((id, i) => [id, scores[i]!]));
  const candidates = { ...inOrder(rows, ids), headScores: ids.map((id) => scoreOf.get(id)!) };
  return {
    ...first!,
    candidates,
    headMs: Math.max(...answers.map(({ headMs }) => headMs)),
    decodeMs: answers.reduce((sum, { decodeMs }) => sum + decodeMs, 0),
    pools: { searches: answers.length, rows: ids.length },
    ...(first!.byIds && { byIds: joinedReads(answers) }),
    ...(first!.lacking && { lacking: [...new Set(answers.flatMap(({ lacking = [] }) => lacking))] }),
  };
}

/** A row that is gone is counted once, however many of the searches found it. */
function joinedReads(answers: readonly HeadAnswer[]): HeadAnswer['byIds'] {
  const reads = answers.flatMap(({ byIds }) => byIds ?? []);
  return {
    ms: reads.reduce((sum, { ms }) => sum + ms, 0),
    gone: [...new Set(reads.flatMap(({ gone }) => gone))],
  };
}
