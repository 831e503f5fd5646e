// The cases by which two builds are compared: searches without a filter, under filters, and many at once.

/** Values of both filtered keys: a range of w of them passes w / VALUES of the rows. */
export const VALUES = 1000;
const SHARES = [0.5, 0.1, 0.01, 0.001];
/** `anywhere`: passing rows have nothing to do with each other; `region`: whole neighbourhoods pass or do not. */
const KEYS = ['anywhere', 'region'];
const BATCHES = [100, 1000];

/** The bounds for the funnel at 50, 10, 1 and 0.1 %; exact answers may take as long as before. */
const MOST = { 0.5: 0.4, 0.1: 0.4, 0.01: 0.4, 0.001: 0.3 };

/** @type {{ name: string, mode: string, key?: string, share?: number, batch: number, most?: number }[]} */
export const CASES = [
  { name: 'funnel', mode: 'funnel', batch: 1 },
  { name: 'exact', mode: 'exact', batch: 1 },
  ...['funnel', 'exact'].flatMap((mode) =>
    KEYS.flatMap((key) =>
      SHARES.map((share) => ({
        name: `${mode}, ${100 * share} % ${key === 'region' ? 'by regions' : 'anywhere'}`,
        mode,
        key,
        share,
        batch: 1,
        most: mode === 'exact' ? 1 : MOST[share],
      })),
    ),
  ),
  ...BATCHES.map((batch) => ({ name: `funnel, ${batch} at once`, mode: 'funnel', batch, most: 0.5 })),
];

/** The filter of query q: another range for each, so that no answer comes from what an earlier one found. */
export function filterOf({ key, share }, q) {
  if (key === undefined) return undefined;
  const width = Math.round(share * VALUES);
  const gte = (q * 7) % (VALUES - width + 1);
  return { must: { key, range: { gte, lt: gte + width } } };
}

/** Mixes the bits of a row's number, so that neighbours have nothing to do with each other. */
export function anywhere(row) {
  const mixed = Math.imul(row ^ (row >>> 15), 0x2c1b3c6d) >>> 0;
  return ((mixed ^ (mixed >>> 13)) >>> 0) % VALUES;
}
