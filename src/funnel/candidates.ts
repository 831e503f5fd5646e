/** Turns the rows or the matrix that a caller passes into one matrix, and keeps the way back to the caller's rows. */

import { expected, FunnelError } from '../core/errors.js';
import { vectorHint } from '../core/hints.js';
import { packRows } from '../core/pack.js';
import { arrayKind, ownView } from '../core/realm.js';
import type { CandidateRow, Candidates, Hit, Id, PackedCandidates } from '../core/types.js';
import {
  checkAttached,
  checkDim,
  checkIds,
  checkKeys,
  fixedLength,
  honestList,
  isNumbers,
  isPlainFloats,
} from '../core/validate.js';
import type { Rows } from '../kernels/kernels.js';
import { freshWorkspace, type Workspace } from './workspace.js';

export interface Matrix<Row> {
  vectors: Rows;
  dim: number;
  count: number;
  /** Is `vectors` memory of ours, that no caller can write or transfer? */
  owned: boolean;
  /** Are all values known to be finite? */
  finite: boolean;
  /** The hit for a candidate. */
  hit(index: number, score: number): Hit<Row>;
  id(index: number): Id;
}

/**
 * @param workspace where rows are packed
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS (ragged rows), NOT_FINITE (not a number), BAD_ID, DETACHED_BUFFER
 */
export function toMatrix<Row>(candidates: Candidates<Row>, workspace: Workspace = freshWorkspace): Matrix<Row> {
  if (Array.isArray(candidates)) return fromRows(candidates, workspace);
  if (typeof candidates !== 'object' || candidates === null || !('vectors' in candidates)) {
    const what = 'an array of rows { id, vector } or a matrix { vectors, dim, ids? }';
    throw expected('BAD_ARGUMENT', what, 'candidates', candidates);
  }
  return fromPacked(candidates as PackedCandidates<Row>, workspace);
}

/** A list that outlives the call is copied, so that it does not change with the caller's. */
function kept<T>(list: ArrayLike<T>, workspace: Workspace): ArrayLike<T> {
  return workspace === freshWorkspace ? Array.from(list) : list;
}

/** Checked one by one: an array whose first row is missing ends there, whatever length it claims. */
function keptRows<Row>(given: readonly (CandidateRow & Row)[]): readonly (CandidateRow & Row)[] {
  const rows: (CandidateRow & Row)[] = [];
  for (let i = 0; i < given.length; i++) {
    const row = given[i];
    if (typeof row !== 'object' || row === null) throw badVector(row, undefined, i);
    rows.push(row);
  }
  return rows;
}

function fromRows<Row>(given: readonly (CandidateRow & Row)[], workspace: Workspace): Matrix<Row> {
  const rows = workspace === freshWorkspace ? keptRows(given) : given;
  const count = rows.length;
  const vectors = new Array<CandidateRow['vector']>(count);
  const ids = new Array<Id | undefined>(count);
  for (let i = 0; i < count; i++) {
    const row = rows[i];
    const vector = row?.vector;
    if (!isPlainFloats(vector)) {
      if (!isNumbers(vector)) throw badVector(row, vector, i);
      if (ArrayBuffer.isView(vector)) checkAttached(vector, `the vector of row ${i}`);
    }
    vectors[i] = vector;
    ids[i] = row!.id;
  }
  const dim = count === 0 ? 1 : checkDim(vectors[0]!.length, 'the vector of row 0');
  const named = ids[0] !== undefined || ids.some((id) => id !== undefined);
  if (named) checkIds(ids, 'ids', true);
  const id = (index: number): Id => (named ? ids[index]! : index);
  return {
    vectors: packRows(vectors, dim, { into: workspace.matrix(count * dim) }),
    dim,
    count,
    owned: true,
    finite: false,
    id,
    hit(index, score) {
      const row = rows[index]!;
      const hit: Hit<Row> = { id: id(index), score, index, row };
      if ('payload' in row) hit.payload = row.payload;
      return hit;
    },
  };
}

function badVector(row: unknown, vector: unknown, i: number): FunnelError {
  const named = typeof vector === 'object' && vector !== null && !ArrayBuffer.isView(vector);
  const got = expected('BAD_ARGUMENT', 'a Float32Array or an array of numbers', `the vector of row ${i}`, vector);
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    return expected('BAD_ARGUMENT', '{ id, vector }', `row ${i}`, row);
  }
  const hint = named ? '; for named vectors use fromQdrant(response, { vector })' : vectorHint(row);
  return new FunnelError('BAD_ARGUMENT', got.message + hint);
}

const PACKED_KEYS = ['vectors', 'dim', 'ids', 'payloads', 'rows', 'headScores', 'finite'];

function fromPacked<Row>(candidates: PackedCandidates<Row>, workspace: Workspace): Matrix<Row> {
  checkKeys(candidates, PACKED_KEYS, 'candidates');
  const { ids, payloads, rows, vectors: first, finite = false } = candidates;
  const plain = isPlainFloats(first);
  const vectors = plain ? first : ownView(first, 'candidates.vectors');
  const dim = checkDim(candidates.dim, 'candidates.dim');
  const half = !plain && isHalves(vectors);
  if (!plain) {
    if (!half && !isNumbers(vectors)) {
      throw expected('BAD_ARGUMENT', 'floats, or float16 bits in a Uint16Array,', 'candidates.vectors', vectors);
    }
    if (ArrayBuffer.isView(vectors)) checkAttached(vectors, 'candidates.vectors');
  }
  const given = ArrayBuffer.isView(vectors) ? fixedLength(vectors) : vectors;
  const { length } = given;
  if (length % dim !== 0) {
    throw expected('BAD_DIMS', `a multiple of dim (${dim}) values`, 'candidates.vectors', given);
  }
  const count = length / dim;
  if (typeof finite !== 'boolean') throw expected('BAD_ARGUMENT', 'a boolean', 'candidates.finite', finite);
  checkList('ids', ids, count);
  checkList('payloads', payloads, count);
  checkList('rows', rows, count);
  const ownIds = ids && kept(ids, workspace);
  const ownPayloads = payloads && kept(payloads, workspace);
  const ownRows = rows && kept(rows, workspace);
  if (ownIds) checkIds(ownIds, 'ids', true);
  const id = (index: number): Id => (ownIds ? ownIds[index]! : index);
  const asIs = half || given instanceof Float32Array;
  return {
    vectors: asIs ? (given as Rows) : packMatrix(given as number[], workspace),
    dim,
    count,
    owned: !asIs,
    finite,
    id,
    hit(index, score) {
      const hit: Hit<Row> = { id: id(index), score, index };
      if (ownPayloads) hit.payload = ownPayloads[index];
      if (ownRows) hit.row = ownRows[index];
      return hit;
    },
  };
}

function isHalves(value: unknown): value is Uint16Array {
  return arrayKind(value) === 'Uint16Array';
}

function packMatrix(values: readonly number[], workspace: Workspace): Float32Array {
  const { length } = values;
  return packRows([values], length, { into: workspace.matrix(length), name: () => 'candidates.vectors' });
}

function checkList(name: string, list: unknown, count: number): void {
  if (list === undefined) return;
  if (!(Array.isArray(list) || ArrayBuffer.isView(list)) || (list as unknown[]).length !== count) {
    throw expected('BAD_ARGUMENT', `a list with one per vector (${count})`, `candidates.${name}`, list);
  }
  honestList(list, `candidates.${name}`);
}
