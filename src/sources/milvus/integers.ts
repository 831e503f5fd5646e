/**
 * Integers of a Milvus answer as they are in the database. The SDK hands Int64 values out as decimal text and rounds those in
 * JSON to float64. Here both are numbers within ±(2^53 − 1), and bigints beyond.
 */
import { describe, FunnelError, printed } from '../../core/errors.js';
import { parseExact } from '../../core/exact-json.js';
import type { MilvusRow } from './client.js';
import { DYNAMIC } from './client.js';

/** Values of JSON fields that hold integers beyond 2^53 − 1: by field, then by row of the whole answer. */
export type ExactJson = Map<string, Map<number, unknown>>;

interface FieldData {
  field_name?: string;
  scalars?: { data?: string; json_data?: { data?: readonly Uint8Array[] } };
  valid_data?: readonly boolean[];
}

/** @param answer as the protobuf library decoded it, which the SDK has yet to make rows of */
export function exactJson(answer: unknown): ExactJson {
  const { results, fields_data } = answer as { results?: { fields_data?: FieldData[] }; fields_data?: FieldData[] };
  const exact: ExactJson = new Map();
  for (const { field_name = '', scalars, valid_data: valid = [] } of results?.fields_data ?? fields_data ?? []) {
    const texts = (scalars?.data === 'json_data' && scalars.json_data?.data) || [];
    const rows = new Map<number, unknown>();
    // Nulls may have a place among the texts, or none.
    const places = valid.length > texts.length ? Array.from(valid.keys()).filter((row) => valid[row]) : undefined;
    texts.forEach((text, i) => {
      if (hasLongNumber(text))
        rows.set(places?.[i] ?? i, parseExact(new TextDecoder('utf-8', { ignoreBOM: true }).decode(text)));
    });
    if (rows.size > 0) exact.set(field_name, rows);
  }
  return exact;
}

/**
 * Puts the exact values in the place of those that the SDK made.
 *
 * @param rows all of the answer, in its order, which are written to
 */
export function restoreJson(rows: readonly MilvusRow[], exact: ExactJson, outputs: readonly string[]): void {
  for (const [field, values] of exact) {
    for (const [at, value] of values) {
      const row = rows[at];
      if (row === undefined) continue;
      if (Object.hasOwn(row, field)) row[field] = value;
      if (field !== DYNAMIC) continue;
      // A search puts the keys that it was asked for beside the fields.
      const keys = value as MilvusRow;
      for (const key of outputs) if (key !== DYNAMIC && Object.hasOwn(keys, key)) row[key] = keys[key];
    }
  }
}

const ZERO = 0x30;
const NINE = 0x39;
const LONG = 16;

/** Whether sixteen digits stand in a row, so that an integer may be beyond 2^53 − 1. Looks at one byte of sixteen. */
export function hasLongNumber(bytes: Uint8Array): boolean {
  const isDigit = (at: number) => bytes[at]! >= ZERO && bytes[at]! <= NINE;
  for (let at = LONG - 1; at < bytes.length; at += LONG) {
    if (!isDigit(at)) continue;
    let from = at;
    while (from > 0 && isDigit(from - 1)) from--;
    let to = at + 1;
    while (to < bytes.length && isDigit(to)) to++;
    if (to - from >= LONG) return true;
  }
  return false;
}

/**
 * Reads the value of a field of Int64, or of an array of them. @throws FunnelError BAD_RESPONSE: the SDK has rounded it
 */
export function integersOf(value: unknown, where: () => string): unknown {
  return Array.isArray(value) ? value.map((one) => integerOf(one, where)) : integerOf(value, where);
}

/** Digits of which all are exact in a number. */
const EXACT_DIGITS = 15;

function integerOf(value: unknown, where: () => string): unknown {
  if (value === null || value === undefined) return value;
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return value;
    throw rounded(value, where(), "leave the SDK's loaderOptions.longs at String");
  }
  // With `longs` set otherwise it is a bigint, or an object that prints itself.
  const text = typeof value === 'string' ? value : printed(value);
  const number = Number(text);
  if (text.length <= EXACT_DIGITS || Number.isSafeInteger(number)) return number;
  return BigInt(text);
}

/** Whole numbers below are as stored, or refused. Larger ones are float64 to Milvus. */
export const UNROUNDED = 2 ** 64;

/**
 * Checks JSON that the SDK parsed, where its answer did not come by here.
 *
 * @throws FunnelError BAD_RESPONSE: an integer that may have been rounded
 */
export function checkUnrounded(value: unknown, where: () => string): void {
  if (typeof value === 'number') {
    if (!Number.isInteger(value) || Number.isSafeInteger(value) || Math.abs(value) > UNROUNDED) return;
    const remedy =
      'search through a MilvusClient of @zilliz/milvus2-sdk-node 3, or store it as text or in an Int64 field';
    throw rounded(value, where(), remedy);
  }
  if (typeof value !== 'object' || value === null) return;
  for (const one of Object.values(value)) checkUnrounded(one, where);
}

function rounded(value: number, where: string, remedy: string): FunnelError {
  return new FunnelError(
    'BAD_RESPONSE',
    `Expected an integer within ±(2^53 − 1) in ${where} but received ${describe(value)}, which the SDK may have rounded: ${remedy}`,
  );
}
