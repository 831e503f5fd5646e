/** The parts of an index's `meta` that syncs keep: where one is, and what the last completed one left. */

import type { MirrorMark } from '../query/mirror.js';
import type { PayloadSelector } from '../query/payload.js';
import { isDeepStrictEqual } from './equal.js';

/** Where a sync is: committed after the rows of its page. */
export interface Position {
  source: string;
  scope?: string | undefined;
  /** The part of payloads that its rows have. */
  withPayload?: PayloadSelector;
  after: string;
  done: number;
  /** When its first page was asked for; its rows may be as old. */
  began?: number;
}

/** How far changes by a key were followed. */
export interface Since {
  key: string;
  /** Dates are compared in milliseconds. */
  kind: 'number' | 'date';
  /** The largest values that rounds saw, and when these began and ended; all ascend. */
  seen: [value: string, began: number, ended: number][];
}

/** A mark as it is kept: what is undefined is left out by JSON. */
export interface KeptMark extends MirrorMark {
  /** When the last pass over all rows began. */
  passed: number;
  /** The key that changes are found by. */
  since?: Since | undefined;
  /** Rows without a stamp that are here, less rows with one that lack a vector, and are not. */
  uncounted?: number;
}

interface Meta {
  sync?: Partial<Position> | null;
  /** Where a round that compares checksums is. */
  checked?: Partial<Position> | null;
  mirror?: KeptMark | null;
}

export function markOf(meta: unknown): KeptMark | undefined {
  return (meta as Meta | null)?.mirror ?? undefined;
}

/**
 * Whether a sync was begun and none was completed since, or one left rows here that the collection does not have: `mirror` is
 * null then, and missing where rows were written by hand alone.
 */
export function isCut(meta: unknown): boolean {
  const { sync, mirror } = (meta as Meta | null) ?? {};
  return mirror === null || (mirror === undefined && sync != null);
}

/** Undefined where the position is that of another sync. */
export function positionOf(
  meta: unknown,
  { source, scope, withPayload }: Pick<Position, 'source' | 'scope' | 'withPayload'>,
  of: 'sync' | 'checked' = 'sync',
): Position | undefined {
  const sync = (meta as Meta | null)?.[of];
  if (sync?.source !== source || sync.scope !== scope) return undefined;
  if (typeof sync.after !== 'string' || !Number.isSafeInteger(sync.done)) return undefined;
  // Rows of before would lack what is to be kept now.
  return isDeepStrictEqual(sync.withPayload ?? false, withPayload ?? false) ? (sync as Position) : undefined;
}

export function withSync(meta: unknown, sync: Position | undefined): object {
  return { ...(meta as object | null), sync: sync ?? null };
}

export function withChecked(meta: unknown, checked: Position | undefined): object {
  return { ...(meta as object | null), checked: checked ?? null };
}

export function withMark(meta: unknown, mirror: KeptMark | undefined): object {
  return { ...(meta as object | null), mirror: mirror ?? null };
}

/** Whether a mark says what a sync of this kind is about to say. */
export function isMarkOf(mark: KeptMark, source: string, scope: string | undefined): boolean {
  return mark.source === source && mark.scope === scope;
}
