/**
 * Random tables as writers mean them, hard ones: ids beside 2^53 and 2^63, texts with the marks of file formats in them. Tests
 * write them to files, each in its own format, and compare what readers and mappings make of them.
 */
import type { Random } from '../random.js';

/** Integers are bigints, of any size; numbers are doubles. */
export type Cell = bigint | number | string | boolean | null | Cell[] | { [key: string]: Cell };

export interface Table {
  ids: (bigint | number | string)[];
  vectors: Float32Array[];
  /** Names of payload columns. */
  names: string[];
  /** A cell for each name; undefined: the row lacks it. */
  payloads: Record<string, Cell | undefined>[];
}

export interface TableOptions {
  /** Characters that texts are made of. */
  characters?: readonly string[];
  /** Whether rows hold objects and lists, and lack some columns. @default true */
  nested?: boolean;
  /** Rows at most. @default 5 */
  most?: number;
}

export const ID_TYPES = [undefined, 'number', 'string'] as const;
export type IdType = (typeof ID_TYPES)[number];

/** Marks of CSV, JSON, paths and shells, and characters of one to four bytes; some that are easily taken for others. */
export const CHARACTERS = [
  ...'abcXYZ0129 \t\n\r",;|\'\\{}[]():.$#=+-_/&<>',
  ...'٣éÉßñ€“”–…ΩЖשلا日本한ﬀ\u00a0\u2028\ufeff\ufffd\u0000\u0301',
  '\r\n',
  '""',
  '😀',
  '𝄞',
  'null',
  'NaN',
  'NULL',
  '__proto__',
];

const EDGES = [0n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n, 10n ** 18n, 10n ** 30n];

/** An integer beside one that some type cannot go beyond. */
export function randomInteger(random: Random): bigint {
  const near = random.pick(EDGES) + BigInt(random.int(-3, 3));
  return random.chance(0.3) ? -near : near;
}

function randomDouble(random: Random): number {
  const kind = random.int(0, 4);
  if (kind === 0) return random.int(-9, 9) / 8;
  if (kind === 1) return random.gaussian() * 10 ** random.int(-300, 300);
  if (kind === 2) return random.pick([0.1, 1.15, 1e21, 1e300, 5e-324, Number.MAX_VALUE, -1e-7, 123456.789]);
  return random.gaussian();
}

export function randomText(random: Random, characters: readonly string[] = CHARACTERS): string {
  return Array.from({ length: random.int(0, 6) }, () => random.pick(characters)).join('');
}

function randomCell(random: Random, characters: readonly string[], depth: number): Cell {
  const kind = random.int(0, depth > 0 ? 8 : 6);
  if (kind <= 1) return randomInteger(random);
  if (kind === 2) return BigInt(random.int(-100, 100));
  if (kind === 3) return randomDouble(random);
  if (kind === 4) return random.pick([true, false, null]);
  if (kind <= 6) return randomText(random, characters);
  const some = Array.from({ length: random.int(0, 3) }, () => randomCell(random, characters, depth - 1));
  if (kind === 7) return some;
  return Object.fromEntries(some.map((cell, i) => [`${randomText(random, characters)}${i}`, cell]));
}

/** Ids of one kind, mostly; the last is of one that JSON rows can mix in. */
const ID_FLAVOURS: ((random: Random, characters: readonly string[]) => bigint | number | string)[] = [
  (random) => BigInt(random.int(-5, 1000)),
  (random) => randomInteger(random),
  (random) => (random.chance(0.5) ? 2n ** 53n : 2n ** 53n - 5n) + BigInt(random.int(0, 4)),
  (random) => String(randomInteger(random)),
  (random) => String(random.int(0, 99)).padStart(random.int(1, 4), '0'),
  (random, characters) => randomText(random, characters),
  (random) => random.pick(['1e3', '+7', ' 7', '7 ', '-0', '0x10', '1.0', '007', '']),
  (random) => randomDouble(random),
];

export function randomTable(random: Random, options: TableOptions = {}): Table {
  const { characters = CHARACTERS, nested = true, most = 5 } = options;
  const flavour = random.pick(ID_FLAVOURS);
  const dim = random.int(1, 3);
  const names = [
    ...new Set(Array.from({ length: random.int(0, 3) }, (_, i) => `${randomText(random, characters)}${i}`)),
  ];
  const count = random.int(1, most);
  return {
    ids: Array.from({ length: count }, () =>
      (random.chance(0.9) ? flavour : random.pick(ID_FLAVOURS))(random, characters),
    ),
    vectors: Array.from({ length: count }, () => random.vector(dim)),
    names,
    payloads: Array.from({ length: count }, () =>
      Object.fromEntries(
        names.map((name) => {
          const lacks = nested && random.chance(0.1);
          return [name, lacks ? undefined : randomCell(random, characters, nested ? 2 : 0)];
        }),
      ),
    ),
  };
}

export const REFUSED = Symbol('refused');

const isSafe = (integer: bigint) => BigInt.asIntN(54, integer) === integer && integer !== -(2n ** 53n);

/**
 * The ids that rows must get: their own in the kind that the type asks for, or that the first one has, or refused.
 *
 * @param ids as the file says them: a text file has nothing but texts, a double that is an integer is one
 */
export function wantedIds(
  ids: readonly (bigint | number | string)[],
  type: IdType,
): (string | number | typeof REFUSED)[] {
  let kind = type;
  return ids.map((id) => {
    const integer =
      typeof id === 'bigint'
        ? id
        : typeof id === 'string' && /^(0|-?[1-9][0-9]*)$/.test(id)
          ? BigInt(id)
          : typeof id === 'number' && Number.isSafeInteger(id)
            ? BigInt(id)
            : undefined;
    const number = integer !== undefined && isSafe(integer) ? Number(integer) : undefined;
    const own = kind ?? (integer === undefined ? 'string' : 'number');
    const text = typeof id === 'string' ? id : integer === undefined ? '' : String(integer);
    const wanted = own === 'number' ? number : text === '' ? undefined : text;
    // A refused row decides nothing.
    if (wanted !== undefined) kind = own;
    return wanted ?? REFUSED;
  });
}

/** As a reader that keeps integers exact has it: small ones are numbers. */
export function asRead(cell: Cell): unknown {
  if (typeof cell === 'bigint') return isSafe(cell) ? Number(cell) : cell;
  if (Array.isArray(cell)) return cell.map(asRead);
  if (typeof cell !== 'object' || cell === null) return cell;
  return ownEntries(Object.entries(cell).map(([key, value]) => [key, asRead(value)]));
}

/** With "__proto__" as a key like any other. */
export function ownEntries(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  return Object.fromEntries(entries);
}
