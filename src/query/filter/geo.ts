/** Areas on the earth: as callers write them, checked, and the test whether a value lies in one, which is Qdrant's. */
import { expected } from '../../core/errors.js';
import type { GeoArea, GeoPoint } from './ast.js';

/** The mean radius of the earth, in metres. */
const EARTH = 6_371_008.8;
const RADIANS = Math.PI / 180;

export const GEO_TESTS = ['geo_radius', 'geo_bounding_box', 'geo_polygon'] as const;

/** The own fields of an object, each read once. */
type ReadFields = (value: unknown, allowed: readonly string[], where: string) => Record<string, unknown>;

/**
 * @param counted - told of every point of a polygon
 * @throws FunnelError BAD_ARGUMENT
 */
export function parseArea(
  test: (typeof GEO_TESTS)[number],
  raw: unknown,
  where: string,
  readFields: ReadFields,
  counted: (points: number) => void,
): GeoArea {
  const pointAt = (value: unknown, at: string): GeoPoint => {
    const { lon, lat } = readFields(value, ['lon', 'lat'], at);
    return { lon: degrees(lon, 180, `${at}.lon`), lat: degrees(lat, 90, `${at}.lat`) };
  };
  const ringAt = (value: unknown, at: string): GeoPoint[] => {
    const { points } = readFields(value, ['points'], at);
    if (!Array.isArray(points)) throw expected('BAD_ARGUMENT', 'an array of points', `${at}.points`, points);
    const { length } = points;
    counted(length);
    const ring = Array.from({ length }, (_, i) => pointAt(points[i], `${at}.points[${i}]`));
    const [first, last] = [ring[0], ring.at(-1)];
    if (ring.length < 4 || first!.lon !== last!.lon || first!.lat !== last!.lat) {
      throw expected('BAD_ARGUMENT', 'at least 4 points, the last of which is the first one again,', at, points);
    }
    return ring;
  };
  if (test === 'geo_radius') {
    const { center, radius } = readFields(raw, ['center', 'radius'], where);
    // One that gRPC, too, can carry: Qdrant has a float32 there.
    const metres = typeof radius === 'number' ? Math.fround(radius) : Number.NaN;
    if (!(metres >= 0 && metres < Number.POSITIVE_INFINITY)) {
      throw expected('BAD_ARGUMENT', 'metres, 0 or more,', `${where}.radius`, radius);
    }
    return { is: 'circle', center: pointAt(center, `${where}.center`), radius: metres };
  }
  if (test === 'geo_bounding_box') {
    const { top_left, bottom_right } = readFields(raw, ['top_left', 'bottom_right'], where);
    return {
      is: 'box',
      topLeft: pointAt(top_left, `${where}.top_left`),
      bottomRight: pointAt(bottom_right, `${where}.bottom_right`),
    };
  }
  const { exterior, interiors } = readFields(raw, ['exterior', 'interiors'], where);
  const holes = interiors ?? [];
  if (!Array.isArray(holes)) throw expected('BAD_ARGUMENT', 'an array of rings', `${where}.interiors`, interiors);
  const { length } = holes;
  counted(length);
  return {
    is: 'polygon',
    exterior: ringAt(exterior, `${where}.exterior`),
    interiors: Array.from({ length }, (_, i) => ringAt(holes[i], `${where}.interiors[${i}]`)),
  };
}

function degrees(value: unknown, most: number, where: string): number {
  if (typeof value === 'number' && Math.abs(value) <= most) return value;
  throw expected('BAD_ARGUMENT', `degrees from −${most} to ${most}`, where, value);
}

/** Whether a value is an object with numbers `lon` and `lat` that lies inside the area; its edge is outside. */
export function inArea(area: GeoArea): (value: unknown) => boolean {
  const inside = testOf(area);
  return (value) => {
    if (typeof value !== 'object' || value === null) return false;
    if (!Object.hasOwn(value, 'lon') || !Object.hasOwn(value, 'lat')) return false;
    const lon = degreesOf((value as Record<string, unknown>)['lon']);
    const lat = degreesOf((value as Record<string, unknown>)['lat']);
    return lon !== undefined && lat !== undefined && inside(lon, lat);
  };
}

/** Infinite numbers and NaN, which payloads of an index may have, are no degrees. */
function degreesOf(value: unknown): number | undefined {
  const degrees = typeof value === 'bigint' ? Number(value) : value;
  return Number.isFinite(degrees) ? (degrees as number) : undefined;
}

function testOf(area: GeoArea): (lon: number, lat: number) => boolean {
  switch (area.is) {
    case 'circle': {
      const { center, radius } = area;
      return (lon, lat) => distance(center, lon, lat) < radius;
    }
    case 'box': {
      const { topLeft, bottomRight } = area;
      const around = topLeft.lon > bottomRight.lon; // over the 180th meridian
      return (lon, lat) => {
        if (!(lat > bottomRight.lat && lat < topLeft.lat)) return false;
        return around ? lon > topLeft.lon || lon < bottomRight.lon : lon > topLeft.lon && lon < bottomRight.lon;
      };
    }
    case 'polygon': {
      const { exterior, interiors } = area;
      return (lon, lat) =>
        placeIn(exterior, lon, lat) === 'inside' && interiors.every((ring) => placeIn(ring, lon, lat) === 'outside');
    }
  }
}

/** Metres along a great circle (haversine). */
function distance(from: GeoPoint, lon: number, lat: number): number {
  const north = Math.sin(((lat - from.lat) * RADIANS) / 2);
  const east = Math.sin(((lon - from.lon) * RADIANS) / 2);
  const square = north * north + Math.cos(from.lat * RADIANS) * Math.cos(lat * RADIANS) * east * east;
  return 2 * EARTH * Math.asin(Math.sqrt(square));
}

/** Where a point is of a ring, on a plane of degrees: inside is what the ring winds around, however often. */
function placeIn(ring: readonly GeoPoint[], lon: number, lat: number): 'inside' | 'outside' | 'edge' {
  let winding = 0;
  for (let i = 1; i < ring.length; i++) {
    const a = ring[i - 1]!;
    const b = ring[i]!;
    if (a.lat <= lat && b.lat >= lat) {
      const side = sideOf(a, b, lon, lat);
      if (side > 0 && b.lat !== lat) winding++;
      if (side === 0 && isBetween(a.lon, lon, b.lon)) return 'edge';
    } else if (a.lat >= lat && b.lat <= lat) {
      const side = sideOf(a, b, lon, lat);
      if (side < 0 && a.lat !== lat) winding--;
      if (side === 0 && isBetween(a.lon, lon, b.lon)) return 'edge';
    }
  }
  return winding === 0 ? 'outside' : 'inside';
}

function isBetween(a: number, x: number, b: number): boolean {
  return a < b ? a <= x && x <= b : b <= x && x <= a;
}

/** The most that double arithmetic errs by below, relative to its products. */
const DOUBT = 4 * Number.EPSILON;

/** Above 0: the point is left of the way from a to b; 0: on it, exactly. */
function sideOf(a: GeoPoint, b: GeoPoint, lon: number, lat: number): number {
  const left = (a.lon - lon) * (b.lat - lat);
  const right = (a.lat - lat) * (b.lon - lon);
  const side = left - right;
  if (Math.abs(side) > DOUBT * (Math.abs(left) + Math.abs(right))) return side;
  const [aLon, aLat, bLon, bLat, x, y] = [a.lon, a.lat, b.lon, b.lat, lon, lat].map(whole) as Six;
  const exact = (aLon - x) * (bLat - y) - (aLat - y) * (bLon - x);
  return exact > 0n ? 1 : exact < 0n ? -1 : 0;
}

type Six = [bigint, bigint, bigint, bigint, bigint, bigint];

/** A finite double as a multiple of the smallest one, 2^−1074. */
function whole(value: number): bigint {
  let units = value;
  let shift = 1074;
  // Doubling is exact up to the mantissa's 53 bits, which are whole then.
  while (!Number.isInteger(units)) {
    units *= 2;
    shift--;
  }
  return BigInt(units) << BigInt(shift);
}
