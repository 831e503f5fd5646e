/** The plans that are chosen among: sizes of the pool × scales × what each scale keeps. */
import type { Plan } from '../funnel/plan.js';
import { spread } from './measure.js';

/** Shares that scales before the last one keep. */
const SHARES = [0.5, 0.3, 0.15];
const STEP = 1.15;

/** Scales, and what they keep; of any pool. */
export interface PlanShape {
  scales: number[];
  keep: number[];
}

/** The head's doublings up to all dims. */
export function doublings(head: number, dim: number): number[] {
  const scales: number[] = [];
  for (let scale = 2 * head; scale < dim; scale *= 2) scales.push(scale);
  return [...scales, dim];
}

/** From the plainest on: all dims at once; one scale before them; all scales. @param scales ascending, the last is all dims */
export function shapesOf(scales: readonly number[]): PlanShape[] {
  const dim = scales.at(-1)!;
  const before = scales.slice(0, -1);
  const chains = before.length > 1 ? [...before.map((scale) => [scale]), before] : before.map((scale) => [scale]);
  return [
    { scales: [dim], keep: [1] },
    ...chains.flatMap((chain) =>
      SHARES.map((share) => ({ scales: [...chain, dim], keep: [...chain.map(() => share), 1] })),
    ),
  ];
}

/** Ascending. */
export function poolSizes(k: number, most: number): number[] {
  return spread(Math.min(k, most), most, STEP);
}

export function planOf(head: number, candidates: number, { scales, keep }: PlanShape, k: number): Plan {
  return { head, candidates, scales, keep, limit: k };
}

export function labelOf({ head, candidates, scales, keep }: Plan): string {
  const rules = keep as number[];
  const stages = scales.map((scale, s) => (s === scales.length - 1 ? `${scale}` : `${scale} keep ${rules[s]}`));
  return `head ${head}, ${candidates} → ${stages.join(' → ')}`;
}
