/** Selects the parts of points that a request asks for, and those of an answer. */

import type { PayloadSelection } from '../../query/source/source.js';
import type { QdrantAnswer, QdrantRead } from './driver.js';
import { type AnyPoint, hasVector } from './from-qdrant.js';

/** With the key, whatever else is selected. */
export function withNorm(selection: PayloadSelection, key: string): PayloadSelection {
  if (selection === true) return true;
  if (selection === false) return [key];
  if ('exclude' in selection) return { exclude: selection.exclude.filter((path) => path !== key) };
  return [...new Set([...includedBy(selection), key])];
}

/** Whether a top-level key is selected. */
export function wants(selection: PayloadSelection, key: string): boolean {
  if (typeof selection === 'boolean') return selection;
  return 'exclude' in selection ? !selection.exclude.includes(key) : includedBy(selection).includes(key);
}

function includedBy(selection: readonly string[] | { include: readonly string[] }): readonly string[] {
  return 'include' in selection ? selection.include : selection;
}

/** Without the points that lack a vector which is read, where such are to be left out. */
export function withVectors<Answer extends QdrantAnswer>(answer: Answer, { lifts, skip }: QdrantRead): Answer {
  if (!skip || answer.packed) return answer;
  const whole = (point: AnyPoint) => lifts.every(({ name }) => hasVector(point, name));
  const { points } = answer;
  return { ...answer, points: points.filter(whole), lacking: points.filter((point) => !whole(point)) };
}
