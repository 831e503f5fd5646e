/** funnel() and its relatives, and the plans. */
import {
  doublingPlan,
  funnel,
  funnelAsync,
  funnelBatch,
  funnelBatchAsync,
  funnelPlan,
  type Hit,
  type Plan,
  tutorialPlan,
} from 'funnelvec';
import { assertAgrees, oracleFunnel } from '#dist/conformance/funnel-oracle.js';
import type { Hostile } from '../hostile.js';
import { assertRanked, type Session } from '../session.js';

type Keep = number | { count: number };

interface Case {
  rows: Float32Array[];
  candidates: unknown;
  query: Float32Array | number[];
  plan: Plan;
}

function randomPlan(random: Hostile, dim: number): Plan {
  const scales = [...new Set(Array.from({ length: random.int(1, 4) }, () => random.int(1, dim)))].sort((a, b) => a - b);
  const rule = (): Keep => (random.chance(0.6) ? Math.max(0.05, random.next()) : { count: random.int(1, 20) });
  const keep = random.chance(0.5) ? rule() : scales.map(rule);
  const plan: Plan = { scales, keep, metric: random.pick(['cosine', 'dot', 'euclid']) };
  if (random.chance(0.5)) plan.limit = random.int(1, 12);
  return plan;
}

function randomCase(random: Hostile, dim = random.pick([1, 2, 7, 8, 16, 33, 64])): Case {
  const count = random.pick([0, 1, 2, 9, 30, 70]);
  const rows = Array.from({ length: count }, () =>
    random.chance(0.05) ? new Float32Array(dim) : random.vector(dim, random.pick([1, 1, 0.01, 100])),
  );
  for (let i = 1; i < count; i++) if (random.chance(0.1)) rows[i] = rows[i - 1]!.slice();
  const packed = new Float32Array(count * dim);
  rows.forEach((row, r) => {
    packed.set(row, r * dim);
  });
  const ids = Array.from({ length: count }, (_, r) => `row ${r}`);
  const candidates = random.chance(0.5)
    ? rows.map((row, r) => ({ id: ids[r], vector: random.vectorOf(row), payload: { r } }))
    : { vectors: random.vectorOf(packed), dim, ...(random.chance(0.5) && { ids }) };
  return { rows, candidates, query: random.vectorOf(random.direction(dim)), plan: randomPlan(random, dim) };
}

/** The cosine of one dim is ±1: rounding alone would order rows. */
function isSure({ metric, scales }: Plan): boolean {
  return metric !== 'cosine' || scales[0]! > 1;
}

export async function funnelSession(session: Session): Promise<void> {
  const { random } = session;
  for (let i = 0; i < 12; i++) {
    const { rows, ...one } = randomCase(random);
    const { args, valid } = session.perhaps(one);
    const options = random.chance(0.8) ? undefined : random.chance(0.5) ? { explain: false } : random.any();
    const sound = valid && options === undefined;
    const judge = (hits: readonly Hit[]) => {
      assertRanked(hits, one.plan.metric === 'euclid');
      if (isSure(one.plan)) assertAgrees(hits, oracleFunnel(rows, one.query, one.plan));
    };
    const expectations = { valid: sound, ...(sound && { judge }) } as never;
    const name = random.chance(0.7) ? 'funnel' : 'funnelAsync';
    const way = (name === 'funnel' ? funnel : funnelAsync) as (...given: unknown[]) => unknown;
    const given = [args, options];
    await session.call(name, given, () => way(args?.candidates, args?.query, args?.plan, options), expectations);
  }
  const dim = random.int(2, 40);
  const all = Array.from({ length: random.int(0, 5) }, () => randomCase(random, dim));
  const plan = randomPlan(random, dim);
  const requests = all.map(({ candidates, query }) => ({ candidates, query }));
  const { args, valid } = session.perhaps({ requests, plan });
  const judge = (answers: readonly (readonly Hit[])[]) => {
    for (const [i, hits] of isSure(plan) ? answers.entries() : []) {
      assertAgrees(hits, oracleFunnel(all[i]!.rows, all[i]!.query, plan));
    }
  };
  const name = random.chance(0.5) ? 'funnelBatch' : 'funnelBatchAsync';
  const way = (name === 'funnelBatch' ? funnelBatch : funnelBatchAsync) as (...given: unknown[]) => unknown;
  await session.call(name, args, () => way(args?.requests, args?.plan), { valid, ...(valid && { judge }) } as never);
}

export async function planSession(session: Session): Promise<void> {
  const { random } = session;
  for (let i = 0; i < 25; i++) {
    const dim = random.int(1, 4096);
    const { args, valid } = session.perhaps(
      { dim, options: random.chance(0.5) ? { limit: random.int(1, 50) } : {} },
      0.7,
    );
    const make = random.chance(0.5) ? funnelPlan : doublingPlan;
    const plan = await session.call(make.name, args, () => make(args?.dim, args?.options as never), {
      valid,
      judge(made) {
        const { scales } = made;
        if (scales.some((scale, s) => scale <= (scales[s - 1] ?? 0))) throw new Error(`scales ${scales}`);
        if (valid && scales.at(-1) !== dim) throw new Error(`scales ${scales} for ${dim} dims`);
      },
    });
    if (plan === undefined || !valid || dim > 256) continue;
    const rows = Array.from({ length: 40 }, () => ({ vector: random.vector(dim) }));
    const judge = (hits: readonly Hit[]) => assertRanked(hits, false);
    await session.call('funnel', [dim, plan], () => funnel(rows, random.direction(dim), plan), { valid: true, judge });
  }
  if (JSON.stringify(tutorialPlan) !== TUTORIAL) throw new Error('tutorialPlan was changed');
}

const TUTORIAL = JSON.stringify(tutorialPlan);
