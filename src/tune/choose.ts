/**
 * The cheapest plan that keeps a promise. One half of the queries orders the plans, the other tests them: from the most
 * expensive of those worth their cost to the cheapest, until one fails (fixed-sequence testing). The order was made without a
 * look at the second half, so the plan before the failure is promised at the full confidence, however many were tested.
 */
import { mean } from './bounds.js';
import type { Losses, Rule } from './promise.js';

/** Losses by query, for the plan of that number. */
export type LossesOf = (choice: number) => Float64Array | Promise<Float64Array>;

export interface Chosen {
  /** The plan's number: the cheapest that passed; where none did, the first of the sequence. */
  choice: number;
  /** Whether it keeps the promise. */
  holds: boolean;
  /** The recall that is promised: the target, or what the first of the sequence allows. */
  promised: number;
  /** The recall that could be promised if this plan were the only one. */
  alone: number;
  losses: Losses;
  /** Plans worth their cost on the choosing half, cheapest first. */
  frontier: number[];
  /** How many of them were tested, from the most expensive on. */
  tested: number;
}

/**
 * @param costs of each plan, in any unit
 * @param recall the target
 */
export async function choose(
  costs: readonly number[],
  recall: number,
  rule: Rule,
  choosing: LossesOf,
  certifying: LossesOf,
): Promise<Chosen> {
  const frontier = await worthTheirCost(costs, choosing);
  let best: { choice: number; losses: Losses } | undefined;
  let first: { choice: number; losses: Losses } | undefined;
  let worst: Float64Array | undefined;
  let tested = 0;
  for (const choice of frontier.toReversed()) {
    const losses = { choosing: await choosing(choice), certifying: await certifying(choice) };
    tested++;
    if (rule.method === 'conformal') {
      // It asks for losses that only grow from plan to plan.
      worst = worst === undefined ? losses.certifying.slice() : worst.map((l, i) => Math.max(l, losses.certifying[i]!));
      losses.certifying = worst;
    }
    first ??= { choice, losses };
    if (!rule.holds(losses)) break;
    best = { choice, losses };
  }
  const { choice, losses } = (best ?? first)!;
  const alone = rule.bound(losses);
  // Stepwise intervals (Hsu and Berger 1999): what passed is promised the target, and no more.
  return { choice, holds: best !== undefined, promised: best ? recall : alone, alone, losses, frontier, tested };
}

/** Cheapest first; each loses less than all that are cheaper, or as cheap. */
async function worthTheirCost(costs: readonly number[], lossesOf: LossesOf): Promise<number[]> {
  const losses: number[] = [];
  for (const choice of costs.keys()) losses.push(mean(await lossesOf(choice)));
  const order = [...costs.keys()].sort((a, b) => costs[a]! - costs[b]! || losses[a]! - losses[b]! || a - b);
  const frontier: number[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const choice of order) {
    if (losses[choice]! >= least) continue;
    least = losses[choice]!;
    frontier.push(choice);
  }
  return frontier;
}
