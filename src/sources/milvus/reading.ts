/** Says which parts of a row are asked for, and packs the rows that came. */
import { FunnelError } from '../../core/errors.js';
import type { Id } from '../../core/types.js';
import { parsePath } from '../../query/filter/path.js';
import { payloadSelection } from '../../query/payload.js';
import { joinTails } from '../../query/source/layout.js';
import type { HeadRequest, PackedRows, PayloadSelection } from '../../query/source/source.js';
import { DYNAMIC, type MilvusRow } from './client.js';
import { milvusIds } from './from-milvus.js';
import type { LiftedField } from './lift.js';
import { packField, payloadOf, type QueryRows } from './rows.js';
import { type MilvusFacts, noField } from './schema.js';

export type WantedParts = Pick<HeadRequest, 'withPayload' | 'vectors'>;

/** The parts of rows that a request asks for. */
export interface Reading {
  fields: { name: string; dim: number }[];
  /** Names of the vectors. */
  names: string[];
  payloadFields: string[];
  outputs: string[];
  /** Selects the parts of fields asked for, where that is not all of them. */
  select: ((payload: unknown) => unknown) | undefined;
}

/** The parts of rows that are to be read. */
export function readingOf(
  facts: MilvusFacts,
  { withPayload = false, vectors = true }: WantedParts,
  name: string,
): Reading {
  const { headDim, dim, idField, head, full } = facts;
  const tailed = typeof full === 'string' ? undefined : full;
  const payloadFields = payloadFieldsOf(withPayload, facts, name);
  const fields = !vectors
    ? []
    : tailed
      ? [
          { name: head, dim: headDim },
          { name: tailed.tail, dim: dim - headDim },
        ]
      : [{ name: full as string, dim }];
  const names = fields.map((field) => field.name);
  const norm = tailed && vectors ? [tailed.headNorm] : [];
  const select = typeof withPayload === 'boolean' ? undefined : payloadSelection(withPayload);
  return {
    fields,
    names,
    payloadFields,
    select,
    outputs: [...new Set([idField, ...names, ...norm, ...payloadFields])],
  };
}

/** The rows that have every vector asked for, and the ids of the others, which are not looked for without `skip`. */
export function splitByVectors(
  { rows, lifted }: QueryRows,
  { names }: Reading,
  skip: boolean,
  idField: string,
): { rows: readonly MilvusRow[]; lacking: Id[] | undefined } {
  if (!skip) return { rows, lacking: undefined };
  // Only vectors of fields that are not nullable are lifted out.
  if (lifted !== undefined) return { rows, lacking: [] };
  const isWhole = (row: MilvusRow) => names.every((name) => row[name] !== null);
  const lacking = rows.filter((row) => !isWhole(row));
  return {
    rows: lacking.length === 0 ? rows : rows.filter(isWhole),
    lacking: milvusIds(lacking, idField),
  };
}

function payloadFieldsOf(selection: PayloadSelection, facts: MilvusFacts, name: string): string[] {
  if (selection === false) return [];
  if (selection === true || 'exclude' in (selection as object)) {
    return facts.dynamic ? [...facts.scalars, DYNAMIC] : facts.scalars;
  }
  const { include } = (Array.isArray(selection) ? { include: selection } : selection) as {
    include: readonly string[];
  };
  const roots = new Set(include.map((path) => parsePath(path, 'withPayload').steps[0]!.key));
  for (const field of roots) {
    if (facts.vectorFields.includes(field)) {
      throw new FunnelError(
        'BAD_ARGUMENT',
        `Expected payload fields but ${JSON.stringify(field)} is a vector of ${name}`,
      );
    }
    if (!facts.dynamic && !facts.scalars.includes(field) && field !== facts.idField) {
      throw noField(name, 'field', field, [facts.idField, ...facts.scalars]);
    }
  }
  return [...roots];
}

export function unpack(
  rows: readonly MilvusRow[],
  lifted: Map<string, LiftedField> | undefined,
  { fields, payloadFields, select }: Reading,
  { headDim, dim, idField, float16, integers, full }: MilvusFacts,
  { withPayload = false, vectors: wanted = true }: WantedParts,
  name: string,
): PackedRows {
  const nameRow = (row: number) => `row ${row} (id ${String(rows[row]?.[idField])}) of ${name}`;
  const ids = milvusIds(rows, idField);
  const matrices = fields.map((field) => packField(field, rows, lifted?.get(field.name), float16, nameRow));
  let vectors = matrices[0] ?? new Float32Array(0);
  if (wanted && typeof full !== 'string') {
    const { headNorm } = full;
    const norms = rows.map((row) => row[headNorm]);
    const nameNorm = (row: number) => `field ${JSON.stringify(headNorm)} of ${nameRow(row)}`;
    const [heads, tails] = matrices as Float32Array[];
    vectors = joinTails(heads!, headDim, norms, tails!, dim - headDim, nameNorm, nameRow);
  }
  const read = (row: MilvusRow, i: number) => payloadOf(row, payloadFields, integers, () => nameRow(i));
  const payloads =
    withPayload === false ? undefined : rows.map((row, i) => (select ? select(read(row, i)) : read(row, i)));
  return { vectors, dim, ids, payloads };
}
