/** A value of each kind that callers pass by mistake. */
export const ODD = {
  undefined: undefined,
  null: null,
  zero: 0,
  one: 1,
  'minus one': -1,
  half: 0.5,
  nan: Number.NaN,
  infinity: Number.POSITIVE_INFINITY,
  bigint: 1n,
  empty: '',
  blank: ' ',
  text: 'x',
  true: true,
  none: [] as never[],
  nulls: [null],
  numbers: [1, 2],
  'empty object': {},
  object: { x: 1 },
  function: () => 1,
  symbol: Symbol('x'),
  date: new Date(Number.NaN),
  map: new Map([['x', 1]]),
  bytes: Uint8Array.of(1, 2, 3, 4),
};

/** The name of one of them. */
export type OddValue = keyof typeof ODD;
