/**
 * Bounds on the losses of queries to come, from a sample of losses drawn from the same place. A loss is the share of a
 * query's true neighbours that a plan does not return, in 0..1; α is the loss that a target allows, δ the risk that a
 * promise is wrong. All hold for finite samples and any distribution.
 */
import { expOf, logOf, logOfOnePlus } from '../core/exact-math.js';

/** How many imagined queries that lose everything are added to a sample before bets are made by it. */
const CAUTION = 0.1;
/** Bets aim a little further than they need to, at steps a little longer than those seen: real ones are jumps. */
const FURTHER = 1.15;
/** Bets go up to this share of the largest bet that could not ruin. */
const MOST = 0.95;

/**
 * The largest p that k successes in n trials exclude with confidence 1 − δ (Clopper–Pearson, one-sided): where
 * P(X ≥ successes | n, p) = δ, which is the δ quantile of Beta(successes, n − successes + 1).
 */
export function clopperPearson(successes: number, n: number, delta: number): number {
  if (successes === 0) return 0;
  let [low, high] = [0, 1];
  for (let i = 0; i < 80; i++) {
    const p = (low + high) / 2;
    if (fewFailures(n - successes, n, 1 - p) < delta) low = p;
    else high = p;
  }
  return low;
}

/** P(at most so many failures in n trials), each of probability q: the terms, one by one, as logarithms. */
export function fewFailures(failures: number, n: number, q: number): number {
  if (failures >= n || q <= 0) return 1;
  if (q >= 1) return 0;
  const odds = logOf(q) - logOfOnePlus(-q);
  let term = n * logOfOnePlus(-q);
  let largest = term;
  let sum = 1; // of terms / e^largest
  for (let i = 0; i < failures; i++) {
    term += logOf((n - i) / (i + 1)) + odds;
    if (term > largest) {
      sum = sum * expOf(largest - term) + 1;
      largest = term;
    } else sum += expOf(term - largest);
  }
  return Math.min(1, expOf(largest) * sum);
}

/**
 * Bets against "the mean loss is α or more" (Waudby-Smith and Ramdas, arXiv 2010.09686): wealth starts at 1 and is multiplied
 * by 1 + bet · (α − loss) at each query, bet in 0..1/(1 − α). If the mean loss is at least α, the chance that it ever reaches
 * 1/δ is at most δ (Ville), however the bets were made, as long as each was made before its loss was seen.
 *
 * These follow the price of a claim that pays 1/δ if the sum of losses ends below its quantile: with w the share of the goal
 * that is reached, d = Φ⁻¹(w) and r queries to come, bet φ(d) / (w · step · √r). For many small losses the bound is then that
 * of the normal approximation; no other has a smaller one. (Recalculating bets from the goal: STaR-Bets, Voráček and Orabona.)
 *
 * @param step standard deviation of the losses, from another sample
 * @returns whether they are won
 */
export function betsAreWon(losses: ArrayLike<number>, alpha: number, step: number, delta: number): boolean {
  const most = MOST / (1 - alpha);
  let wealth = 1;
  for (let i = 0; i < losses.length; i++) {
    const share = (wealth * delta) / FURTHER;
    const d = normalQuantile(share);
    const bet = expOf((-d * d) / 2) / Math.sqrt(2 * Math.PI * (losses.length - i)) / (share * step);
    wealth *= 1 + Math.min(bet, most) * (alpha - losses[i]!);
    if (wealth * delta >= 1) return true;
  }
  return false;
}

/** The step that bets are made by, from the losses of the queries that a plan was chosen by. */
export function stepOf(losses: ArrayLike<number>): number {
  const middle = mean(losses);
  let sum = CAUTION;
  for (let i = 0; i < losses.length; i++) sum += (losses[i]! - middle) ** 2;
  return FURTHER * Math.sqrt(sum / losses.length);
}

const TAIL = 0.02425;
const A = [
  -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239,
];
const B = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1];
const C = [
  -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
];
const D = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1];

/** Φ⁻¹ by Acklam's rational approximation, to nine digits. @param p in 0..1, both excluded */
export function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  if (p < TAIL) {
    const q = Math.sqrt(-2 * logOf(p));
    return polynomial(C, q) / polynomial(D, q);
  }
  const q = p - 0.5;
  return (polynomial(A, q * q) * q) / polynomial(B, q * q);
}

/** Coefficients of the highest power first. */
function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (const coefficient of coefficients) sum = sum * x + coefficient;
  return sum;
}

/** The constant bet under which wealth grows most. */
function bestBet(losses: ArrayLike<number>, alpha: number): number {
  const slope = (bet: number) => {
    let sum = (CAUTION * (alpha - 1)) / (1 + bet * (alpha - 1));
    for (let i = 0; i < losses.length; i++) sum += (alpha - losses[i]!) / (1 + bet * (alpha - losses[i]!));
    return sum;
  };
  let [low, high] = [0, 1 / (1 - alpha)];
  for (let i = 0; i < 40; i++) {
    const bet = (low + high) / 2;
    if (slope(bet) > 0) low = bet;
    else high = bet;
  }
  return low;
}

/** Growth of ln(wealth) a query by the best constant bet, were all like these: what a number of queries is estimated by. */
export function growth(losses: ArrayLike<number>, alpha: number): number {
  const bet = bestBet(losses, alpha);
  let sum = 0;
  for (let i = 0; i < losses.length; i++) sum += logOfOnePlus(bet * (alpha - losses[i]!));
  return sum / losses.length;
}

/** The largest 1 − α whose bets are won, as are those of every smaller one. */
export function bettingBound(losses: ArrayLike<number>, step: number, delta: number): number {
  const wins = (alpha: number) => betsAreWon(losses, alpha, step, delta);
  let won = 1;
  let lost = 0.99;
  while (wins(lost) && lost > 1e-6) {
    won = lost;
    lost *= 0.9;
  }
  for (let i = 0; i < 20; i++) {
    const alpha = (won + lost) / 2;
    if (wins(alpha)) won = alpha;
    else lost = alpha;
  }
  return 1 - won;
}

/**
 * Conformal risk control (arXiv 2208.02814): what the next query's expected loss is at most, of losses that grow with what is
 * chosen by this very number.
 */
export function conformalRisk(losses: ArrayLike<number>): number {
  const n = losses.length;
  return (n * mean(losses) + 1) / (n + 1);
}

export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return values.length === 0 ? 0 : sum / values.length;
}

/** How many queries without any loss promise 1 − α. */
export function queriesWithoutLoss(alpha: number, delta: number): number {
  return Math.ceil(logOf(delta) / logOfOnePlus(-alpha));
}
