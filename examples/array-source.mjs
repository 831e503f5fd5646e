// A source of your own: FunnelSearch over a plain array of points, { id, vector, payload }. Heads are the first dims of the
// vectors, and a native filter is a function of id and payload. array-source.test.mjs holds it to the suite for sources.
import { funnel } from 'funnelvec';
import * as kit from 'funnelvec/source';

/**
 * @param {{ id: kit.Id, vector: Float32Array, payload?: unknown }[]} points
 * @param {{ head: number, dim: number, metric?: kit.Metric, nativeFilter?: any, timeout?: number }} options
 * @returns {kit.Source}
 */
export function arraySource(points, { head, dim, metric = 'cosine', nativeFilter, timeout }) {
  const name = 'the array';
  /** Ends at its deadline or when its signal fires; what is thrown becomes a FunnelError. */
  const call = (request, work) =>
    kit.guarded(name, { timeout, ...request }, work, (cause) => new kit.FunnelError('REFUSED', `${cause}`, { cause }));

  /** The points that all filters let through. */
  const passing = (/** @type {kit.Restriction} */ { filter, nativeFilter: requested }) => {
    const tests = [nativeFilter, requested, filter && kit.compileFilter(filter)].filter((test) => test !== undefined);
    return points.filter((point) => tests.every((test) => test(point.id, point.payload)));
  };

  /** The best by their first dims, as hits whose `row` is the point. */
  const nearest = (request, dims, limit) => {
    kit.checkHeadQuery(request, dim, name);
    return funnel(passing(request), request.vector, { scales: [dims], keep: 1, metric, limit });
  };

  /** Points as they travel: one matrix, ids, and what is wanted of payloads. */
  const packed = (some, /** @type {Partial<kit.FetchRequest>} */ { withPayload = false, vectors = true }) => ({
    vectors: kit.packRows(vectors ? some.map(({ vector }) => vector) : [], dim),
    dim,
    ids: some.map(({ id }) => id),
    payloads: withPayload ? some.map(({ payload }) => kit.payloadSelection(withPayload)(payload)) : undefined,
  });

  return {
    name,
    info: async () => ({ headDim: head, dim, metric, idKind: kit.checkIds(points.map(({ id }) => id)) ?? 'number' }),
    head: (request) =>
      call(request, async () => {
        kit.checkHeadRequest(request, name);
        const exact = request.mode === 'exact' ? 'server' : undefined; // the exact answer is that of a scan
        const began = performance.now();
        const hits = nearest(request, exact ? dim : head, request.candidates);
        const headMs = performance.now() - began;
        const rows = hits.map(({ row }) => row);
        const candidates = { ...packed(rows, request), headScores: hits.map(({ score }) => score) };
        return { candidates, headMs, decodeMs: performance.now() - began - headMs, exact };
      }),
    full: (request) =>
      call(request, async () => {
        const hits = nearest(request, dim, kit.checkInteger(request.limit, 1, 2 ** 32, 'limit'));
        return { ids: hits.map(({ id }) => id), scores: hits.map(({ score }) => score), ms: 0 };
      }),
    fetch: (request) =>
      call(request, async () => {
        // By their text, since 7, 7n and '7' name one point.
        const byId = new Map(points.map((point) => [`${point.id}`, point]));
        const found = kit.checkFetchRequest(request).map((id) => byId.get(`${id}`));
        const rows = found.filter((point) => point !== undefined);
        return { rows: packed(rows, request), ms: 0 };
      }),
    // In the order of ids, so that a page goes on where the last one ended though points come and go.
    scan: (request) =>
      call(request, async () => {
        const limit = kit.checkScanRequest(request);
        const { after } = request;
        const rest = passing({}).filter(({ id }) => after === undefined || `${id}` > after);
        rest.sort((a, b) => (`${a.id}` < `${b.id}` ? -1 : 1));
        const next = rest.length > limit ? `${rest[limit - 1].id}` : undefined;
        return { rows: packed(rest.slice(0, limit), request), next, ms: 0 };
      }),
    count: (request) => call(request, async () => passing(request).length),
  };
}
