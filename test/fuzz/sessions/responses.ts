/** Responses of clients, or what somebody claims to be one. */
import { fromMilvus, fromQdrant, funnel } from 'funnelvec';
import type { Session } from '../session.js';

export async function responsesSession(session: Session): Promise<void> {
  const { random } = session;
  for (let i = 0; i < 15; i++) {
    const dim = random.int(1, 12);
    const count = random.int(0, 8);
    const vector = () => Array.from(random.direction(dim));
    const qdrant = random.chance(0.5);
    const named = random.chance(0.5);
    const points = Array.from({ length: count }, (_, n) =>
      qdrant
        ? { id: n, version: 0, score: 1 - n / 10, payload: { n }, vector: named ? { full: vector() } : vector() }
        : { id: String(n), score: 1 - n / 10, embedding: vector(), title: `film ${n}` },
    );
    const response: unknown = qdrant
      ? random.pick<unknown>([{ points }, points])
      : { status: { error_code: 'Success', code: 0 }, results: points };
    const options = qdrant ? (named ? { vector: 'full' } : {}) : { vectorField: 'embedding' };
    const { args, valid } = session.perhaps({ response, options }, 0.7);
    const run = () => (qdrant ? fromQdrant : fromMilvus)(args?.response as never, args?.options as never);
    const candidates = await session.call(qdrant ? 'fromQdrant' : 'fromMilvus', args, run, {
      valid,
      judge(found) {
        const { vectors, ids } = found as { vectors: Float32Array; ids: ArrayLike<unknown> };
        if (valid && (ids.length !== count || vectors.length !== count * dim)) throw new Error(`${ids.length} rows`);
      },
    });
    if (candidates === undefined) continue;
    const query = random.direction(dim);
    await session.call('funnel of a response', candidates, () => funnel(candidates, query), {
      valid: valid && count > 0,
    });
  }
}
