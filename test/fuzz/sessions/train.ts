/** The training side, the models and tune(): mostly what they refuse, and small runs of what they take. */
import { Embedder } from 'funnelvec/embed';
import {
  cosentLoss,
  evaluate,
  fitHead,
  headFromJson,
  infoNceLoss,
  matryoshkaLoss,
  pairLoss,
  rankLoss,
  reconstructionLoss,
  topkLoss,
} from 'funnelvec/train';
import { tune } from 'funnelvec/tune';
import type { Session } from '../session.js';

const finite = (values: Iterable<number>) => {
  for (const value of values) if (!Number.isFinite(value)) throw new Error(`a gradient or value of ${value}`);
};

export async function trainSession(session: Session): Promise<void> {
  const { random } = session;
  const dim = random.int(1, 10);
  const count = random.int(1, 8);
  const matrix = (rows = count) => ({ vectors: random.vector(rows * dim), dim });
  const dims = [...new Set([random.int(1, dim), dim])];
  const labels = Array.from({ length: count }, () => random.int(0, 3));
  const judge = ({ value, gradients }: { value: number; gradients: Float64Array[] }) => {
    finite([value]);
    gradients.forEach(finite);
  };
  for (let i = 0; i < 8; i++) {
    const inner = random.pick([cosentLoss, infoNceLoss]);
    const batch = { all: [matrix(), matrix()], labels: inner === cosentLoss ? labels : undefined, options: { dims } };
    const one = session.perhaps(batch, 0.6);
    const run = () =>
      matryoshkaLoss(inner(), one.args?.options as never)(one.args?.all as never, one.args?.labels as never);
    await session.call(`matryoshkaLoss of ${inner.name}`, one.args, run, { valid: one.valid, judge });
    const terms = {
      e: matrix(),
      a: matrix(),
      near: Uint32Array.from({ length: count }, () => random.int(0, count - 1)),
      dims,
    };
    const { args, valid } = session.perhaps(terms, 0.6);
    await session.call('pairLoss', args, () => pairLoss(args?.e, args?.a, args?.dims), { valid, judge });
    await session.call('topkLoss', args, () => topkLoss(args?.e, args?.a, args?.near, 1, args?.dims), { valid, judge });
    await session.call('reconstructionLoss', args, () => reconstructionLoss(args?.e, args?.a), { valid, judge });
    const relevance = Array.from({ length: count * count }, () => random.int(0, 2));
    await session.call('rankLoss', args, () => rankLoss(args?.e, args?.a, relevance, args?.dims), { valid, judge });
  }
  const kept = matrix(30);
  // Calls may take the memory of what they are given away.
  const rows = () => ({ ...kept, vectors: kept.vectors.slice() });
  const measured = session.perhaps({ rows: rows(), queries: matrix(), options: { k: 3, candidates: 5 } }, 0.6);
  await session.call(
    'evaluate',
    measured.args,
    () => evaluate(measured.args?.rows, measured.args?.queries, measured.args?.options),
    { valid: measured.valid },
  );
  const method = random.pick(['pca', 'adapter'] as const);
  const options = {
    method,
    dim: random.int(1, dim),
    ...(method === 'adapter' && { steps: 1 }),
    k: 2,
    candidates: 5,
  };
  const fit = session.perhaps({ rows: rows(), options }, 0.6);
  const head = await session.call('fitHead', fit.args, () => fitHead(fit.args?.rows, fit.args?.options as never), {
    valid: fit.valid,
  });
  if (head === undefined) return;
  const use = session.perhaps({ vectors: rows().vectors, query: random.direction(dim) }, 0.5);
  const wide = fit.valid && use.valid;
  await session.call('head.apply', use.args, () => head.apply(use.args?.vectors), { valid: wide, judge: finite });
  await session.call('head.applyQuery', use.args, () => head.applyQuery(use.args?.query), {
    valid: wide,
    judge: finite,
  });
  const json = session.perhaps(JSON.parse(JSON.stringify(head)) as unknown, 0.7);
  await session.call('headFromJson', json.args, () => headFromJson(json.args), { valid: json.valid });
}

export async function optionsSession(session: Session): Promise<void> {
  const { random } = session;
  const embedder = {
    path: 'no/such/folder',
    pooling: 'mean',
    prefixes: { query: 'q: ' },
    dim: 8,
    maxLength: 16,
    preset: 'wordllama',
  };
  for (let i = 0; i < 6; i++) {
    const odd = random.mutated(embedder);
    await session.call('Embedder.load', odd, () => Embedder.load(odd as never));
    const wanted = { search: {}, queries: new Float32Array(8), target: { recall: 0.9, k: 3, confidence: 0.9 } };
    const asked = random.mutated(wanted);
    await session.call('tune', asked, () => tune(asked as never));
  }
}
