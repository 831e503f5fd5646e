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
  if (condition.slice)
    return id !== null && hashOf(id) % BigInt(condition.slice.total) === BigInt(condition.slice.index);
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
  const area = condition.geo_radius ?? condition.geo_bounding_box ?? condition.geo_polygon;
  if (area) return elements.some((v) => isObject(v) && isNumber(v.lon) && isNumber(v.lat) && contains(area, v));
  const { match } = condition;
  const texts = elements.filter((v) => typeof v === 'string');
  if ('phrase' in match) return texts.some((v) => v.includes(match.phrase));
  if ('prefix' in match) return texts.some((v) => v.slice(0, match.prefix.length) === match.prefix);
  if ('text_any' in match) {
    const words = match.text_any.match(/\P{White_Space}+/gu) ?? [];
    return texts.some((v) => words.some((word: string) => v.includes(word)));
  }
  if ('value' in match) return elements.some((v) => v === match.value);
  if ('text' in match) return elements.some((v) => typeof v === 'string' && v.includes(match.text));
  if ('any' in match) return elements.some((v) => match.any.includes(v));
  return elements.some((v) => v !== null && !match.except.includes(v));
}

const isNumber = (value: Json) => typeof value === 'number';

/** Inside, not on the edge. */
function contains(area: Json, { lon, lat }: { lon: number; lat: number }): boolean {
  if (area.center) {
    const [a, b] = [area.center, { lon, lat }].map(onSphere) as [number[], number[]];
    const chord = Math.hypot(...a.map((x, i) => x - b[i]!));
    return 2 * 6371008.8 * Math.asin(Math.min(1, chord / 2)) < area.radius;
  }
  if (area.top_left) {
    const [west, east] = [area.top_left.lon, area.bottom_right.lon];
    const between = west <= east ? west < lon && lon < east : !(east <= lon && lon <= west);
    return between && area.bottom_right.lat < lat && lat < area.top_left.lat;
  }
  const around = (ring: Json) => windings(ring.points, lon, lat);
  const outer = around(area.exterior);
  return outer !== 0 && outer !== undefined && (area.interiors ?? []).every((ring: Json) => around(ring) === 0);
}

function onSphere({ lon, lat }: { lon: number; lat: number }): number[] {
  const [l, p] = [(lon * Math.PI) / 180, (lat * Math.PI) / 180];
  return [Math.cos(p) * Math.cos(l), Math.cos(p) * Math.sin(l), Math.sin(p)];
}

/** How often a ring goes around a point, by the angles that its lines are seen under; undefined: one goes through it. */
function windings(points: readonly { lon: number; lat: number }[], lon: number, lat: number): number | undefined {
  let turned = 0;
  for (let i = 1; i < points.length; i++) {
    const [ax, ay] = [points[i - 1]!.lon - lon, points[i - 1]!.lat - lat];
    const [bx, by] = [points[i]!.lon - lon, points[i]!.lat - lat];
    const [cross, dot] = [ax * by - ay * bx, ax * bx + ay * by];
    if (cross === 0 && dot <= 0) return undefined;
    turned += Math.atan2(cross, dot);
  }
  return Math.round(turned / (2 * Math.PI));
}

/** SipHash-2-4 with a key of zeros: of an integer's 8 bytes, a UUID's 16, or a text. */
function hashOf(id: Json): bigint {
  const hex = /^[\da-f]{8}(-?[\da-f]{4}){3}-?[\da-f]{12}$/.test(id) ? id.replaceAll('-', '') : undefined;
  const integer = typeof id !== 'string' || /^-?\d{1,20}$/.test(id);
  const bytes = hex ? Buffer.from(hex, 'hex') : integer ? Buffer.alloc(8) : Buffer.from(id);
  if (integer) bytes.writeBigInt64LE(BigInt.asIntN(64, BigInt(id)));
  const cut = (x: bigint) => BigInt.asUintN(64, x);
  const turn = (x: bigint, by: bigint) => cut((x << by) | (x >> (64n - by)));
  let [a, b, c, d] = [0x736f6d6570736575n, 0x646f72616e646f6dn, 0x6c7967656e657261n, 0x7465646279746573n];
  const rounds = (count: number) => {
    for (let i = 0; i < count; i++) {
      a = cut(a + b);
      b = turn(b, 13n) ^ a;
      a = turn(a, 32n);
      c = cut(c + d);
      d = turn(d, 16n) ^ c;
      a = cut(a + d);
      d = turn(d, 21n) ^ a;
      c = cut(c + b);
      b = turn(b, 17n) ^ c;
      c = turn(c, 32n);
    }
  };
  const padded = Buffer.concat([bytes, Buffer.alloc(8 - (bytes.length % 8))]);
  padded[padded.length - 1] = bytes.length;
  for (let at = 0; at < padded.length; at += 8) {
    const word = padded.readBigUInt64LE(at);
    d ^= word;
    rounds(2);
    a ^= word;
  }
  c ^= 0xffn;
  rounds(4);
  return a ^ b ^ c ^ d;
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
