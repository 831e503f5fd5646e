/** Looks up a row by its ordinal: the record of its file, its id and its payload, checked. */
import { FunnelError } from '../../core/errors.js';
import type { Id } from '../../core/types.js';
import type { Core } from './core.js';
import { corrupt } from './errors.js';
import type { OpenRows } from './open-files.js';
import { unseal } from './pages.js';
import { decodePayload } from './payload.js';
import { generationOf } from './state.js';

export function ordinalAt({ entry, ordinals }: OpenRows, record: number): number | undefined {
  if (ordinals !== undefined) return ordinals[record];
  return record >= 0 && record < entry.count ? entry.first + record : undefined;
}

/** @throws FunnelError BAD_ARGUMENT for an ordinal that has none */
export function idAt({ state, kept, ids }: Core, ordinal: number): Id {
  if (ordinal >= state.rows || !kept.get(ordinal)) throw noRow(ordinal);
  return ids!.at(ordinal);
}

/** New each time; undefined where there is none, and where another process has dropped it. @throws FunnelError CORRUPT */
export function payloadAt(core: Core, ordinal: number): unknown {
  const { state, withPayload, options, uuid, kept } = core;
  if (ordinal >= state.rows || !kept.get(ordinal)) throw noRow(ordinal);
  if (!withPayload.get(ordinal)) return undefined;
  const value = core.stored(ordinal);
  if (value !== undefined) return decodePayload(unseal(uuid, 'payloads', ordinal, value, options.kv.file));
  if (isStale(core)) {
    core.staleReads++;
    return undefined;
  }
  throw corrupt(options.kv.file, 'payloads', `lack that of row ${ordinal}`);
}

function isStale({ options, state }: Core): boolean {
  const record = options.kv.snapshot(() => options.kv.state());
  return record !== undefined && generationOf(record) !== state.generation;
}

function noRow(ordinal: number): FunnelError {
  return new FunnelError('BAD_ARGUMENT', `Expected a row that exists but ${ordinal} is not one, or was compacted away`);
}
