/** The options that narrow the rows of a source, as text that can be compared. */

/** Options that keep rows out; others say how rows are searched and read. */
const NARROWING = /filter|shard|partition|tenant/i;
/** Those of them that name parts, one or a list: their order says nothing. */
const PARTS = /shard|partition/i;

/** An index without restrictions. */
const WHOLE_INDEX = /^index [0-9a-f]+$/;

/** The scope of an index has its own uuid, in hex: another index may have its name. */
export function scopeOfIndex(uuid: string, options: object): string {
  const own = scopeOf(options);
  return own === undefined ? `index ${uuid}` : `index ${uuid} ${own}`;
}

/** Whether a scope keeps rows of the collection out. */
export function narrows(scope: string | undefined): boolean {
  return scope !== undefined && !WHOLE_INDEX.test(scope);
}

/** Undefined where nothing does. */
export function scopeOf(options: object): string | undefined {
  const own = Object.entries(options).filter(([key, value]) => NARROWING.test(key) && value != null);
  if (own.length === 0) return undefined;
  own.sort(([a], [b]) => (a < b ? -1 : 1));
  const told = own.map(([key, value]) => [key, PARTS.test(key) ? listed(value) : value]);
  return JSON.stringify(told, (_, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`;
    return ArrayBuffer.isView(value)
      ? Array.from(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)).join()
      : value;
  });
}

function listed(value: unknown): unknown {
  const parts: unknown[] = Array.isArray(value) ? value : [value];
  const nameOf = (part: unknown) => `${typeof part} ${part}`;
  return [...new Set(parts)].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}
