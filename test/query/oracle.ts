/**
 * The meaning of a filter, in the plainest words: Qdrant's JSON read condition by condition, for every point anew.
 * Shares nothing with the library. Filters are taken to be well-formed.
 */

// biome-ignore lint/suspicious/noExplicitAny: any JSON
type Json = any;

/** `filter` as a user writes it; `id` and `payload` of one point. Elements of arrays have no id: null. */
export function oracleMatches(filter: Json, id: string | number | bigint | null, payload: Json): boolean {
  if (filter === undefined || filter === null) return true;
  const holds = (condition: Json) => oracleCondition(condition, id, payload);
  const must = list(filter.must);
  const should = list(filter.should);
  const mustNot = list(filter.must_not);
  const minimum = filter.min_should;
  if (!must.every(holds)) return false;
  // Empty clauses are true but for inside `nested`, where the engine wants one of none.
  const nested = id === null;
  if ((should.length > 0 || (nested && Array.isArray(filter.should))) && !should.some(holds)) return false;
  if (mustNot.some(holds)) return false;
  if (minimum) {
    return minimum.conditions.filter(holds).length >= Number(minimum.min_count);
  }
  return true;
}

function oracleCondition(condition: Json, id: string | number | bigint | null, payload: Json): boolean {
  if (condition.has_id) return id !== null && condition.has_id.some((one: Json) => sameId(one, id));
  if (condition.is_empty) {
    return oracleValues(payload, condition.is_empty.key).every((v) => v === null || (Array.isArray(v) && !v.length));
  }
  if (condition.is_null) return oracleValues(payload, condition.is_null.key).some((v) => v === null);
  if (condition.nested) {
    const { key, filter } = condition.nested;
    const elements = oracleValues(payload, key.endsWith('[]') ? key : `${key}[]`);
    return elements.filter(isObject).some((element) => oracleMatches(filter, null, element));
  }
  if (condition.key === undefined) return oracleMatches(condition, id, payload);
  const found = oracleValues(payload, condition.key);
  if (condition.values_count) {
    const bounds = condition.values_count;
    if (found.length === 0) return inBounds(0, bounds);
    return found.some((v) => inBounds(v === null ? 0 : Array.isArray(v) ? v.length : 1, bounds));
  }
  const elements = found.flatMap((v) => (Array.isArray(v) ? v : [v]));
  if (condition.range) {
    const bounds = condition.range;
    const dates = Object.values(bounds).some((bound) => typeof bound === 'string');
    if (!dates) return elements.some((v) => typeof v === 'number' && inBounds(v, bounds));
    const read = Object.fromEntries(
      Object.entries(bounds).map(([k, v]) => [k, v === null ? null : microseconds(v as string)]),
    );
    return elements.some((v) => {
      const at = typeof v === 'string' ? microseconds(v) : undefined;
      return at !== undefined && inBounds(at, read);
    });
  }
  const { match } = condition;
  if ('value' in match) return elements.some((v) => v === match.value);
  if ('text' in match) return elements.some((v) => typeof v === 'string' && v.includes(match.text));
  if ('any' in match) return elements.some((v) => match.any.includes(v));
  return elements.some((v) => v !== null && !match.except.includes(v));
}

/** The values that a path leads to; `key[]` is each element of the array there. */
export function oracleValues(payload: Json, path: string): Json[] {
  let at: Json[] = [payload];
  for (const [, quoted, bare, each] of path.matchAll(/(?:"([^"]*)"|([^".[\]]+))(\[\])?(?:\.|$)/g)) {
    const key = (quoted ?? bare)!;
    at = at.filter((v) => isObject(v) && Object.keys(v).includes(key)).map((v) => v[key]);
    if (each) at = at.filter(Array.isArray).flat();
  }
  return at;
}

function list(clause: Json): Json[] {
  return clause === undefined || clause === null ? [] : Array.isArray(clause) ? clause : [clause];
}

function isObject(value: Json): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sameId(a: Json, b: Json): boolean {
  return typeof a === 'string' || typeof b === 'string' ? a === b : BigInt(a) === BigInt(b);
}

function inBounds(value: number | bigint, { gt, gte, lt, lte }: Json): boolean {
  const given = (bound: Json) => bound !== undefined && bound !== null;
  if (given(gt) && !(value > gt)) return false;
  if (given(gte) && !(value >= gte)) return false;
  if (given(lt) && !(value < lt)) return false;
  return !given(lte) || value <= lte;
}

/** Date, date and time, date and time and zone; the platform's own parser reads the one full form of it. */
function microseconds(text: string): bigint | undefined {
  const date = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?)?$/.exec(text);
  if (!date) return undefined;
  const [, day, time = '00:00', seconds, fraction = '', zone] = date;
  if ((fraction || zone) && !seconds) return undefined;
  const whole = Date.parse(`${day}T${time}${seconds ?? ':00'}${zone ?? 'Z'}`);
  const real = new Date(`${day}T00:00:00Z`);
  if (Number.isNaN(whole) || real.toISOString().slice(0, 10) !== day) return undefined;
  return BigInt(whole) * 1000n + BigInt(fraction.slice(0, 6).padEnd(6, '0'));
}
