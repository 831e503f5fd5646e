/** Writes of FunnelIndex to payloads of rows that stay. */

import { expected } from '../core/errors.js';
import { atOnce } from '../core/slices.js';
import { checkKeys } from '../core/validate.js';
import { parsePath } from '../query/filter/path.js';
import type { ChosenRows, PayloadEdit } from './files/change-payloads.js';
import { decodePayload, encodePayload } from './files/payload.js';
import { type CheckedFilter, evaluateFilter, type Filtered } from './filters.js';
import type { OpenIndex } from './open-index.js';
import { isFields, withFields, withoutPaths } from './payload/edit.js';
import { listOf } from './payload/row-set.js';
import { filterOfRows, idListOf, packIfWorth, writing, writingNow } from './writes.js';

/** @throws FunnelError BAD_ARGUMENT */
export function setting(payload: unknown, options: { key?: string }): PayloadEdit {
  checkKeys(options, ['key'], 'the options of setPayload()');
  const at = options.key === undefined ? undefined : parsePath(options.key, 'key');
  const fields = ownFields(payload);
  return (before) => withFields(before, fields(), at);
}

/** @throws FunnelError BAD_ARGUMENT */
export function overwriting(payload: unknown, options: unknown): PayloadEdit {
  checkNoOptions(options, 'overwritePayload');
  return ownFields(payload);
}

/** @throws FunnelError BAD_ARGUMENT */
export function deletingKeys(keys: unknown, options: unknown): PayloadEdit {
  checkNoOptions(options, 'deletePayloadKeys');
  if (!Array.isArray(keys)) throw expected('BAD_ARGUMENT', 'an array of paths', 'keys', keys);
  const paths = Array.from(keys, (key: unknown, i) => parsePath(key, `keys[${i}]`));
  return (before) => withoutPaths(before, paths);
}

/** Who gives a `key` to these, as setPayload() takes one, would lose what is beside it. */
function checkNoOptions(options: unknown, operation: string): void {
  if (options === undefined) return;
  throw expected('BAD_ARGUMENT', 'nothing (setPayload() alone has options)', `the options of ${operation}()`, options);
}

/** Read now, and made anew for each row. */
function ownFields(payload: unknown): () => Record<string, unknown> {
  const given = typeof payload === 'object' && payload !== null && !Array.isArray(payload);
  const bytes = given ? encodePayload(payload, 'payload') : undefined;
  if (bytes === undefined || !isFields(decodePayload(bytes))) {
    throw expected('BAD_ARGUMENT', 'an object', 'payload', payload);
  }
  return () => decodePayload(bytes) as Record<string, unknown>;
}

export function editPayloads(
  index: OpenIndex,
  operation: string,
  rows: unknown,
  edit: PayloadEdit,
): Promise<{ count: number }> {
  return writing(index, operation, async () => {
    const filter = filterOfRows(index, rows, 'change');
    const ids = filter === undefined ? idListOf(rows) : [];
    const choose = filter === undefined ? () => ({ ids }) : () => index.withinWrite((on) => matched(on, filter));
    const count = await index.files.changePayloads(choose, edit);
    packIfWorth(index);
    return { count };
  });
}

export function editPayloadsSync(
  index: OpenIndex,
  operation: string,
  rows: unknown,
  edit: PayloadEdit,
): { count: number } {
  return writingNow(index, operation, () => {
    const filter = filterOfRows(index, rows, 'change');
    const chosen = filter === undefined ? { ids: idListOf(rows) } : atOnce(matched(index.filtered(), filter));
    const count = index.files.changePayloadsSync(chosen, edit);
    packIfWorth(index);
    return { count };
  });
}

function* matched(on: Filtered, filter: CheckedFilter): Generator<void, ChosenRows> {
  return { ordinals: listOf((yield* evaluateFilter(filter, on)).rows) };
}
