/** Matryoshka vectors cut to fewer dims, as their model was trained to be cut. */
import { expected, FunnelError } from '../core/errors.js';
import { halfTable } from '../core/half.js';
import { checkAttached, checkDim, checkKeys } from '../core/validate.js';
import { finishVector } from '../embed/finish.js';
import { presetNamed } from '../embed/presets.js';

/** Options of truncate(). */
export interface TruncateOptions {
  /** Dims to keep: the first ones. */
  dim: number;
  /** Dims of the vectors as they are. @default those of the preset */
  from?: number;
  /** Whether the cut vectors get length 1, so that dot products are cosines again. @default true */
  normalise?: boolean;
  /**
   * Whether each vector is first brought to mean 0 and variance 1 over all its dims, as the card of nomic-embed-text-v1.5 says.
   * Wrong for models that were not trained so. @default as the preset has it, else false
   */
  layerNorm?: boolean;
  /** A model of `presets` of funnelvec/embed: a `dim` that it was not trained to be cut to is refused. */
  preset?: string;
}

/**
 * Cuts vectors to their first dims: layer norm where the model has one, then the cut, then length 1 (normalising before the
 * cut would leave lengths that differ). Sums are float64, each value is rounded once.
 *
 * @param vectors `count × from`, row-major: a Float32Array or Float64Array, or float16 bits in a Uint16Array
 * @returns `count × dim` values. A row of zeros stays one.
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS (not whole rows; a dim the preset was not trained for), NOT_FINITE (naming the row),
 * DETACHED_BUFFER
 * @example
 * const short = truncate(vectors, { from: 768, dim: 256 });
 */
export function truncate(vectors: Float32Array | Float64Array | Uint16Array, options: TruncateOptions): Float32Array {
  const { dim, from, normalise, layerNorm } = checkedCut(options);
  const kind = ArrayBuffer.isView(vectors) ? vectors[Symbol.toStringTag] : undefined;
  if (kind !== 'Float32Array' && kind !== 'Float64Array' && kind !== 'Uint16Array') {
    const what =
      'a Float32Array, a Float64Array, or float16 bits in a Uint16Array (`vectors` of decodeVectors() is one)';
    throw expected('BAD_ARGUMENT', what, 'vectors', vectors);
  }
  checkAttached(vectors, 'vectors');
  if (vectors.length % from !== 0)
    throw expected('BAD_DIMS', `a multiple of from (${from}) values`, 'vectors', vectors);
  const count = vectors.length / from;
  const out = new Float32Array(count * dim);
  const row = new Float64Array(from);
  const table = kind === 'Uint16Array' ? halfTable() : undefined;
  for (let r = 0; r < count; r++) {
    for (let d = 0; d < from; d++) row[d] = table ? table[vectors[r * from + d]!]! : vectors[r * from + d]!;
    // Dims behind the cut are looked at too: a row with NaN there is broken, whatever is left of it.
    const at = row.findIndex((value) => !Number.isFinite(Math.fround(value)));
    if (at !== -1) throw expected('NOT_FINITE', 'a finite float32', `dim ${at} of row ${r} of vectors`, row[at]);
    if (!finishVector(row, { dim, layerNorm, normalise }, out, r * dim)) {
      throw expected('NOT_FINITE', 'values whose squares a sum can hold', `row ${r} of vectors`, row[0]);
    }
  }
  return out;
}

function checkedCut(options: TruncateOptions): Required<Omit<TruncateOptions, 'preset'>> {
  checkKeys(options, ['dim', 'from', 'normalise', 'layerNorm', 'preset'], 'the options of truncate()');
  const { preset: name } = options;
  const preset = name === undefined ? undefined : presetNamed(name);
  const from = checkDim(options.from ?? preset?.dims, 'from');
  const dim = checkDim(options.dim, 'dim');
  if (preset !== undefined && from !== preset.dims) {
    throw expected('BAD_DIMS', `${preset.dims} dims, as ${name} has them: whole vectors are cut,`, 'from', from);
  }
  if (dim > from) throw expected('BAD_DIMS', `at most the ${from} dims that the vectors have`, 'dim', dim);
  if (preset !== undefined && !preset.matryoshkaDims.includes(dim)) {
    const trained = preset.matryoshkaDims.join(', ');
    const hint = preset.matryoshkaDims.length === 1 ? ' (it is no Matryoshka model: an adapter makes heads of it)' : '';
    throw new FunnelError(
      'BAD_DIMS',
      `Expected one of the dims that ${name} was trained to be cut to, ${trained}, for dim but received ${dim}${hint}`,
    );
  }
  for (const flag of ['normalise', 'layerNorm'] as const) {
    const value: unknown = options[flag];
    if (value !== undefined && typeof value !== 'boolean') throw expected('BAD_ARGUMENT', 'a boolean', flag, value);
  }
  const { normalise = true, layerNorm = preset?.normalisation === 'layer_norm, l2' } = options;
  return { dim, from, normalise, layerNorm };
}
