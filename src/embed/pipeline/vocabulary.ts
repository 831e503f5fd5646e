/** The parts that models share. */
import { type TokenizerStep, UnsupportedStep } from './json.js';

export interface TokenModel {
  /** Tokens of the vocabulary. */
  readonly size: number;
  idOf(token: string): number | undefined;
  /**
   * Appends the ids of a piece to `out`. It may stop when `out` has more than `most`: those in it are then the first ones
   * of all.
   *
   * @param open - more of the piece may follow: only ids that hold whatever that is are appended, maybe none
   * @throws Error for what has no token where the vocabulary has no unknown one
   */
  encode(piece: string, out: number[], most: number, open: boolean): void;
}

export function vocabularyOf(step: TokenizerStep): Map<string, number> {
  const { vocab } = step;
  if (typeof vocab !== 'object' || vocab === null || Array.isArray(vocab)) {
    throw new UnsupportedStep(`its model ${step.type} has no vocabulary`);
  }
  return new Map(Object.entries(vocab as Record<string, number>));
}

export function noUnknown(piece: string): Error {
  return new Error(`its vocabulary lacks ${JSON.stringify(piece.slice(0, 40))} and has no token for what is unknown`);
}
