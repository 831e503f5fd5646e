// The experiment itself, without a set or a report: also run, smaller, by test/tune/splits.test.ts.

/**
 * @param {object} given
 * @param {object} given.search what tune() takes
 * @param {Float32Array} given.queries
 * @param {object} given.target
 * @param {number} given.splits
 * @param {(line: string) => void} [given.log]
 */
export async function experiment({ search, queries, target, splits, seed = 1, log = () => {} }) {
  const { askExact, checkedCosts, fitErrorOf, prepared, ruleFor } = await import('../../dist/esm/tune/tune.js');
  const { choose } = await import('../../dist/esm/tune/choose.js');
  const { mean } = await import('../../dist/esm/tune/bounds.js');
  const { median, quantile } = await import('../../dist/esm/tune/measure.js');
  const { seeded } = await import('../../dist/esm/core/random.js');
  const { shuffled } = await import('../../dist/esm/tune/session.js');

  const { subject, session } = await prepared({ search, queries, target, seed });
  await askExact(subject, session);
  const choices = await subject.choices();
  // Costs are checked at once, before the machine changes its mind.
  const rule = ruleFor(session);
  const costs = choices.map(({ cost }) => cost);
  const whole = await choose(
    costs,
    target.recall,
    rule,
    (choice) => subject.losses(choice, session.choosing),
    (choice) => subject.losses(choice, session.certifying),
  );
  const fit = await checkedCosts(subject, session, choices, whole);
  const everyone = [...session.vectors.keys()];
  const losses = [];
  for (const choice of choices.keys()) losses.push(await subject.losses(choice, everyone));
  log(`${choices.length} plans on ${everyone.length} queries`);
  const sizes = choices.map(({ request }) => request.plan?.candidates ?? request.params?.candidates ?? Number.NaN);

  const random = seeded(seed + 1);
  const outcomes = [];
  for (let split = 0; split < splits; split++) {
    const order = shuffled(everyone.length, random);
    const given = order.slice(0, order.length / 2);
    const unseen = order.slice(order.length / 2);
    const at = (some) => (choice) => {
      const found = new Float64Array(some.length);
      for (let i = 0; i < found.length; i++) found[i] = losses[choice][some[i]];
      return found;
    };
    const choosing = given.filter((_, place) => place % 2 === 0);
    const certifying = given.filter((_, place) => place % 2 === 1);
    const chosen = await choose(costs, target.recall, rule, at(choosing), at(certifying));
    const recalls = costs.map((_, choice) => 1 - mean(at(unseen)(choice)));
    const recall = recalls[chosen.choice];
    const good = [...costs.keys()].filter((choice) => recalls[choice] >= target.recall);
    const cheapest = good.reduce((a, b) => (costs[b] < costs[a] ? b : a), good[0]);
    outcomes.push({
      holds: chosen.holds,
      kept: recall >= chosen.promised,
      recall,
      ratio: cheapest === undefined ? Number.NaN : costs[chosen.choice] / costs[cheapest],
      size: cheapest === undefined ? Number.NaN : sizes[chosen.choice] / sizes[cheapest],
    });
  }
  const ratios = outcomes.map(({ ratio }) => ratio);
  const known = outcomes.map(({ size }) => size).filter(Number.isFinite);
  return {
    plans: choices.length,
    outcomes,
    kept: outcomes.filter(({ kept }) => kept).length,
    refused: outcomes.filter(({ holds }) => !holds).length,
    both: outcomes.filter(({ holds, kept, ratio }) => holds && kept && ratio <= 1.3).length,
    ratios: [Math.min(...ratios), median(ratios), quantile(ratios, 0.95), Math.max(...ratios)],
    size: median(known),
    recall: mean(outcomes.map((one) => one.recall)),
    fit,
    ...fitErrorOf(fit),
  };
}
