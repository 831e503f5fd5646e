/** How long heads are: the prefix of every vector that a database searches first. */
import { expected, FunnelError } from '../core/errors.js';
import { funnelPlan } from '../funnel/plan.js';
import { type Io, note } from './io.js';
import type { ModelEmbedder } from './model.js';
import type { CommandState } from './state.js';
import type { Place } from './stores/store.js';

/**
 * As asked for; else as the store has it; else, of a database, a length that the model was trained for.
 *
 * @returns null for the embedded index's own head
 * @throws FunnelError BAD_DIMS, naming the lengths that make sense
 */
export function headFor(
  given: number | undefined,
  state: CommandState | undefined,
  dim: number,
  embedder: ModelEmbedder | undefined,
  { kind }: Place,
  io: Io,
): number | null {
  const trained = (embedder?.matryoshkaDims ?? []).filter((one) => one < dim).sort((a, b) => a - b);
  if (given !== undefined) {
    if (given > dim) throw expected('BAD_DIMS', `a head of 1 to ${dim} dims`, '--head', given);
    if (trained.length > 0 && !trained.includes(given) && given !== dim) {
      const why = `${embedder!.name} was not trained to be cut there`;
      throw new FunnelError('BAD_DIMS', `Expected ${trained.join(', ')} for --head but received ${given}: ${why}`);
    }
    return given;
  }
  if (state !== undefined) return state.head;
  if (kind === 'embedded') return null;
  const usual = Math.min(dim, funnelPlan(dim).head!);
  if (trained.length > 0) return trained.filter((one) => one <= usual).at(-1) ?? trained[0]!;
  if (embedder !== undefined) {
    note(io, `${embedder.name} was not trained to be cut: heads of ${usual} dims may find little (--head sets them)`);
  }
  return usual;
}
