/** The part of FunnelIndex that changes payloads of rows that stay. */
import type { Id } from '../core/types.js';
import type { Filter } from '../query/filter/types.js';
import { MirrorIndex } from './mirror-index.js';
import type { OpenIndex } from './open-index.js';
import { partsOf } from './parts.js';
import { deletingKeys, editPayloads, editPayloadsSync, overwriting, setting } from './payload-writes.js';
import type { RowFilter } from './types.js';

/** Rows by id, or all that pass a filter. */
type RowsToChange<Payload> = Id | readonly Id[] | { filter: RowFilter | Filter<Payload> };

/** The calls of a FunnelIndex for payloads in place. */
export abstract class EditableIndex<Payload> extends MirrorIndex {
  /**
   * Puts keys into the payloads of rows, by ids or of all that pass a filter, in one commit; vectors are not touched, nor codes.
   * Each key takes the place of what is there, or comes in addition; one whose value is null goes. As Qdrant's call of that name.
   *
   * @param options.key a path (`author`, `reviews[]`) to the object that the keys are put into, which is made where it is missing
   * @returns how many rows there were
   * @throws FunnelError NOT_FOUND for an id that no row has, BAD_ARGUMENT, BAD_ID: nothing is changed; DISK, NOT_WRITABLE, CLOSED
   */
  async setPayload(
    rows: RowsToChange<Payload>,
    payload: Partial<Payload> | object,
    options: { key?: string } = {},
  ): Promise<{ count: number }> {
    return editPayloads(opened(this), 'setPayload', rows, setting(payload, options));
  }

  /** setPayload(), on the calling thread. */
  setPayloadSync(
    rows: RowsToChange<Payload>,
    payload: Partial<Payload> | object,
    options: { key?: string } = {},
  ): { count: number } {
    return editPayloadsSync(opened(this), 'setPayloadSync', rows, setting(payload, options));
  }

  /**
   * Puts a payload in the place of those of rows, as {@link setPayload} puts keys into them.
   *
   * @returns how many rows there were
   * @throws as setPayload()
   */
  async overwritePayload(
    rows: RowsToChange<Payload>,
    payload: Payload & object,
    options?: undefined,
  ): Promise<{ count: number }> {
    return editPayloads(opened(this), 'overwritePayload', rows, overwriting(payload, options));
  }

  /** overwritePayload(), on the calling thread. */
  overwritePayloadSync(rows: RowsToChange<Payload>, payload: Payload & object, options?: undefined): { count: number } {
    return editPayloadsSync(opened(this), 'overwritePayloadSync', rows, overwriting(payload, options));
  }

  /**
   * Takes what paths (`year`, `author.name`, `reviews[].stars`) lead to out of payloads of rows.
   *
   * @returns how many rows there were
   * @throws as setPayload()
   */
  async deletePayloadKeys(
    rows: RowsToChange<Payload>,
    keys: readonly string[],
    options?: undefined,
  ): Promise<{ count: number }> {
    return editPayloads(opened(this), 'deletePayloadKeys', rows, deletingKeys(keys, options));
  }

  /** deletePayloadKeys(), on the calling thread. */
  deletePayloadKeysSync(rows: RowsToChange<Payload>, keys: readonly string[], options?: undefined): { count: number } {
    return editPayloadsSync(opened(this), 'deletePayloadKeysSync', rows, deletingKeys(keys, options));
  }
}

function opened(index: object): OpenIndex {
  return partsOf(index) as OpenIndex;
}
