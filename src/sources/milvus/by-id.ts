/** Searches that send ids alone, and the rows of these by id: on some servers that is the cheaper way to the vectors. */
import { expected } from '../../core/errors.js';
import type { Id } from '../../core/types.js';
import { inOrder } from '../../query/source/rows.js';
import type { HeadAnswer, PackedRows } from '../../query/source/source.js';

/** The way in which vectors of candidates come: with the hits, by their ids, or in whichever is the cheaper way. */
export type MilvusVectorsFrom = 'auto' | 'hits' | 'ids';

/** @throws FunnelError BAD_ARGUMENT */
export function checkVectorsFrom(value: unknown): void {
  if (value === undefined || value === 'auto' || value === 'hits' || value === 'ids') return;
  throw expected('BAD_ARGUMENT', "'auto', 'hits' or 'ids'", 'vectorsFrom', value);
}

/**
 * Whether vectors are read by ids. Measured on 2.3.5, the server of the PyPI package; see docs/sources.md.
 *
 * @param askVersion as the server tells it, `v2.3.5`; undefined where it tells none
 */
export async function readsByIds(
  given: MilvusVectorsFrom,
  askVersion: () => Promise<string | undefined>,
): Promise<boolean> {
  return given === 'auto' ? /^v?2\.3\./.test((await askVersion()) ?? '') : given === 'ids';
}

/**
 * Puts rows that were read by id to the candidates of searches; rows that are gone by now are left out, and counted.
 *
 * @param found of each search, ids alone
 * @param read rows by different ids, in their order
 */
export async function withRows(
  found: readonly HeadAnswer[],
  read: (ids: readonly Id[]) => Promise<{ rows: PackedRows; lacking?: readonly Id[] | undefined }>,
): Promise<HeadAnswer[]> {
  const began = performance.now();
  const ids = [...new Set(found.flatMap(({ candidates }) => Array.from(candidates.ids!)))];
  const { rows, lacking } = await read(ids);
  const ms = (performance.now() - began) / Math.max(1, found.length);
  const whole = new Set<Id>(rows.ids);
  const nulls = new Set<Id>(lacking);
  return found.map((answer) => {
    const wanted = Array.from(answer.candidates.ids!);
    const own = inOrder(rows, wanted);
    const scores = answer.candidates.headScores;
    const headScores = scores && Float64Array.from(scores).filter((_, i) => whole.has(wanted[i]!));
    const without = wanted.filter((id) => nulls.has(id));
    const byIds = { ms, gone: wanted.filter((id) => !whole.has(id) && !nulls.has(id)) };
    const candidates = found.length === 1 ? own : copied(own);
    return { ...answer, candidates: { ...candidates, headScores }, byIds, ...(lacking && { lacking: without }) };
  });
}

/** Answers are given away: no two of a batch share a row. */
function copied(rows: PackedRows): PackedRows {
  const { vectors, payloads } = rows;
  const own = payloads && Array.from(payloads, (payload) => structuredClone(payload));
  return { ...rows, vectors: vectors.slice(), payloads: own };
}
