/** Wrong sources: each is one that is right but for one fault, with the test of the suite that must tell. */
import type { HeadRequest, PackedRows, Source } from 'funnelvec/source';

/** A row of the store behind the source. */
export interface Point {
  id: string | number | bigint;
  vector: Float32Array;
  payload?: unknown;
}

export interface Mutant {
  /** Fails by this fault. */
  test: string;
  /** The members that are other, over the right ones. */
  members(source: Source, points: readonly Point[]): Partial<Source>;
}

const NATIVE = 'obeys native filters, of the request and of the source, beside each other';
const FILTER = 'obeys the filter of the request';
const GIVEN_AWAY = 'rows are given away: what is written into an answer does not show in the next';

const exactWithout = (key: 'filter' | 'nativeFilter') => (source: Source) => ({
  head: (request: HeadRequest) => source.head(request.mode === 'exact' ? { ...request, [key]: undefined } : request),
});
const callWithout = (call: 'full' | 'count', key: 'filter' | 'nativeFilter') => (source: Source) => ({
  [call]: (request: never) => source[call]!({ ...(request as object), [key]: undefined } as never),
});
const keptOf = (points: readonly Point[], ids: ArrayLike<unknown>) =>
  ids.length === 1 ? { vectors: points.find(({ id }) => id === ids[0])!.vector } : {};

export const MUTANTS: Record<string, Mutant> = {
  'the exact mode ignores the filter': {
    test: `head() in mode 'exact' ${FILTER}`,
    members: exactWithout('filter'),
  },
  'the exact mode ignores native filters of requests': {
    test: `head() in mode 'exact' ${NATIVE}`,
    members: exactWithout('nativeFilter'),
  },
  'full() ignores the filter': { test: `full() ${FILTER}`, members: callWithout('full', 'filter') },
  'full() ignores native filters of requests': {
    test: `full() ${NATIVE}`,
    members: callWithout('full', 'nativeFilter'),
  },
  'count() ignores the filter': { test: `count() ${FILTER}`, members: callWithout('count', 'filter') },
  'count() ignores native filters of requests': {
    test: `count() ${NATIVE}`,
    members: callWithout('count', 'nativeFilter'),
  },
  'scan() goes by position': {
    test: 'scan() gives each row once though rows of the page before are deleted',
    members: (source) => ({
      async scan(request) {
        const from = Number(request.after ?? 0);
        const end = from + request.limit;
        const { rows, ms } = await source.scan({ ...request, after: undefined, limit: end });
        const page: PackedRows = {
          ...rows,
          ids: rows.ids.slice(from),
          vectors: (rows.vectors as Float32Array).slice(from * rows.dim),
          payloads: rows.payloads && Array.from(rows.payloads).slice(from),
        };
        return { rows: page, next: rows.ids.length < end ? undefined : String(end), ms };
      },
    }),
  },
  'scan() ends where one row is left': {
    test: 'scan() gives every row once, page by page, as the source’s filter lets it through',
    members: (source) => ({
      async scan(request) {
        const page = await source.scan(request);
        if (page.next === undefined) return page;
        const { rows } = await source.scan({ limit: 2, after: page.next });
        return rows.ids.length > 1 ? page : { ...page, next: undefined };
      },
    }),
  },
  'a single candidate is the store’s own array': {
    test: GIVEN_AWAY,
    members: (source, points) => ({
      async head(request) {
        const answer = await source.head(request);
        const { candidates } = answer;
        return { ...answer, candidates: { ...candidates, ...keptOf(points, candidates.ids!) } };
      },
    }),
  },
  'a single row that is fetched is the store’s own array': {
    test: GIVEN_AWAY,
    members: (source, points) => ({
      async fetch(request) {
        const { rows, ms } = await source.fetch(request);
        return { rows: { ...rows, ...keptOf(points, rows.ids) }, ms };
      },
    }),
  },
  'it certifies what is scanned in float32': {
    test: "certifies says whether mode 'exact' is certified",
    members: () => ({ certifies: true }),
  },
  'a native filter of the wrong type is a TypeError': {
    test: 'a native filter of a type that is none is refused by a FunnelError',
    members: (source) => ({
      async head(request) {
        const { nativeFilter } = request;
        if (nativeFilter !== undefined && typeof nativeFilter !== 'function') {
          throw new TypeError('nativeFilter is not a function');
        }
        return source.head(request);
      },
    }),
  },
};
