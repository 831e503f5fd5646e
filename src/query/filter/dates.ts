/** Strings that Qdrant reads as points in time. */

/** Date; then hour, minute; then, with a zone or without, second and fraction. */
const DATE =
  /^\s*([+-]?\d{1,4}|[+-]\d{5,6})-(\d{1,2})-(\d{1,2})(?:(?:[Tt]|\s+)(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d+))?(?:\s*(?:([Zz]|[Uu][Tt][Cc])|([+\-\u2212])(\d\d)(?::?(\d\d))?)\s*)?)?)?$/;

/**
 * RFC 3339 in any offset, the same without an offset (UTC), without seconds, and dates alone; T or a blank between the two.
 *
 * @returns milliseconds since 1970, down to the microsecond (of years beyond 2109, as finely as a double goes); undefined
 * for any other string
 */
export function parseDate(text: string): number | undefined {
  // Most strings are no dates, and long ones never are.
  if (text.length < 6 || text.length > 64) return undefined;
  const parts = DATE.exec(text);
  if (!parts) return undefined;
  const [year, month, day, hour, minute, second] = [1, 2, 3, 4, 5, 6].map((part) => Number(parts[part] ?? 0));
  const offsetHour = Number(parts[10] ?? 0);
  const offsetMinute = Number(parts[11] ?? 0);
  if (hour! > 23 || minute! > 59 || second! > 60 || offsetHour > 23 || offsetMinute > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year!, month! - 1, day);
  if (date.getUTCMonth() !== month! - 1 || date.getUTCDate() !== day) return undefined;
  // A leap second is the end of the one before.
  const leap = second === 60;
  date.setUTCHours(hour!, minute, leap ? 59 : second);
  const offset = (offsetHour * 60 + offsetMinute) * (parts[9] === '+' ? 60_000 : -60_000);
  const micros = leap ? 999_999 : Number((parts[7] ?? '').slice(0, 6).padEnd(6, '0'));
  return date.getTime() - offset + micros / 1000;
}
