/** Where the stages of a plan run: in the database, on vectors that it sends, or on those of a mirror; and why there. */
import { expected, FunnelError } from '../core/errors.js';
import type { Fitted, Placement } from './fitted.js';
import type { Stages } from './stage-options.js';

/** Facts that decide where the stages of a search may run. */
export interface Surroundings {
  /** The name of the source. */
  name: string;
  hasMirror: boolean;
  /** The place of a search in the database, or why it has none there; undefined where it cannot run stages, or was not asked. */
  pushed: ((fitted: Fitted) => Placement | string) | undefined;
}

/** Whether the answer depends on what the database can rank by. */
export function asksServer(stages: Stages, hasMirror: boolean): boolean {
  return stages === 'server' || (stages === 'auto' && !hasMirror);
}

export const ASKED = 'as was asked for';

/** @throws FunnelError UNSUPPORTED: they cannot run where the caller says; BAD_ARGUMENT: there is no mirror */
export function placed(fitted: Fitted, around: Surroundings): Placement {
  const { stages, search } = fitted;
  const { exact } = search.options;
  if (stages === 'mirror' && !around.hasMirror) {
    throw expected('BAD_ARGUMENT', 'a mirror of the search', "stages: 'mirror'", undefined);
  }
  if (!exact) {
    if (stages === 'client') return { on: 'client', why: ASKED };
    if (stages === 'mirror') return { on: 'mirror', why: ASKED };
  }
  if (around.hasMirror && (stages === 'auto' || (exact && stages !== 'client'))) {
    return { on: 'mirror', why: 'the mirror has the vectors' };
  }
  if (exact) return { on: 'client', why: "mode 'exact' has no stages" };
  const pushed = around.pushed?.(fitted) ?? `${around.name} cannot run stages`;
  if (typeof pushed !== 'string') return pushed;
  if (stages === 'auto') return { on: 'client', why: pushed };
  throw new FunnelError(
    'UNSUPPORTED',
    `Expected stages that ${around.name} can run for stages: 'server' but ${pushed}: ask for stages 'auto' or 'client'`,
  );
}
