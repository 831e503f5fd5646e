/** Which column of a row is what. */
import { expected, FunnelError, type FunnelErrorCode } from '../core/errors.js';
import type { Id } from '../core/types.js';
import { keysOfPath, namesIn, putAt, valueAt, without } from '../store/import/fields.js';
import type { FileRow, OptionName, Reader } from './formats/reader.js';
import { badByte, textOfBytes } from './formats/utf8.js';
import { NUMBERS, type VectorForm, type VectorType, vectorForm, vectorOfBytes } from './vector-type.js';

/** As it is kept beside a store: the same command must mean the same rows. */
export interface Mapping {
  /** Columns whose values make the text that is embedded: trimmed, joined by a line break. */
  text?: string[];
  /** The column that has vectors. One of `text` and `vector`. */
  vector?: string;
  /** How to read its bytes or unsigned integers, where the file does not say. */
  vectorType?: VectorType;
  /** The column of ids; absent: rows have the number of their place in the input, from 0. */
  id?: string;
  /** 'rest': all columns but id and vector. */
  payload: 'rest' | string[];
  /** Columns of text files whose values are numbers. */
  numbers: string[];
  /** Columns whose values are kept as text, digit by digit. */
  strings?: string[];
  /** How a text file is read, where the command says it. */
  format?: string;
  encoding?: string;
  delimiter?: string;
  /** The table of a database. */
  table?: string;
}

export interface MappedRow {
  id: Id;
  text?: string;
  vector?: Float32Array;
  payload: Record<string, unknown>;
  at: string;
}

/** Columns that the mapping names; of those in objects, with `columns`, the ones that the file declares. */
export function namedColumns(mapping: Mapping, columns: readonly string[] = []): string[] {
  const { text = [], vector, id, payload, numbers, strings = [] } = mapping;
  const some = [...text, ...(vector === undefined ? [] : [vector]), ...(id === undefined ? [] : [id])];
  const named = [...some, ...(payload === 'rest' ? [] : payload), ...numbers, ...strings];
  return [...new Set(named.map((name) => declared(name, columns) ?? name))];
}

/** The column that has it. */
function declared(name: string, columns: readonly string[]): string | undefined {
  if (columns.includes(name)) return name;
  const first = keysOfPath(name)?.[0];
  return first !== undefined && columns.includes(first) ? first : undefined;
}

/** Before any work, where the file declares its columns. @throws FunnelError BAD_ARGUMENT */
export function checkColumns(mapping: Mapping, { columns, path, kind, option }: Reader): void {
  if (columns === undefined) return;
  // The values of a text file are texts, which have no values of their own.
  const whole = kind === 'csv';
  const absent = namedColumns(mapping).find((name) => !(whole ? columns.includes(name) : declared(name, columns)));
  if (absent !== undefined) {
    const has = columns.map((name) => JSON.stringify(name)).join(', ');
    const mark = columns.length === 1 ? /[;\t|]/.exec(columns[0]!)?.[0] : undefined;
    const hint = whole && mark ? ` (${option('delimiter', mark === '\t' ? '\\t' : mark)}?)` : '';
    const what = `a column ${JSON.stringify(absent)} in ${path}`;
    throw new FunnelError('BAD_ARGUMENT', `Expected ${what} but it has ${has}${hint}`);
  }
}

/** Before any file is opened. @throws FunnelError BAD_ARGUMENT: columns that make no sense beside each other */
export function checkMapping(mapping: Mapping, idType: string | undefined, option: OptionName): void {
  const { text, vector, vectorType, id, payload, numbers, strings = [] } = mapping;
  const refused = (what: string, got = '') => new FunnelError('BAD_ARGUMENT', `Expected ${what}${got}`);
  if (text !== undefined && vector !== undefined) {
    throw refused(`${option('text')} or ${option('vector')}`, ' but received both');
  }
  if (vectorType !== undefined && vector === undefined) {
    throw refused(`${option('vector')} beside ${option('vectorType')}`);
  }
  if (idType !== undefined && id === undefined) throw refused(`${option('id')} beside ${option('idType')}`);
  const lists = `${option('numbers')} or ${option('strings')}`;
  const both = strings.find((name) => numbers.includes(name));
  if (both !== undefined) throw refused(`${both} in ${lists}`, ' but received both');
  // Columns that are read as numbers or text must be kept.
  for (const column of [...numbers, ...strings]) {
    if (column === id) throw refused(`${option('idType')} for ${column}, which has the ids,`, ` but received ${lists}`);
    const kept = payload === 'rest' ? column !== vector : payload.some((one) => overlap(one, column));
    if (!kept) throw refused(`${column} of ${lists} among what ${option('payload')} keeps`);
  }
}

/** Whether one column is the other, or lies in it. */
function overlap(a: string, b: string): boolean {
  const [some, more] = [keysOfPath(a) ?? [a], keysOfPath(b) ?? [b]];
  return some.slice(0, more.length).every((key, i) => key === more[i]);
}

/** Tells a reader what is wanted of it. @throws FunnelError BAD_ARGUMENT: it has no such columns, or no vectors in one */
export function prepareReader(reader: Reader, mapping: Mapping): VectorForm {
  const { vector, vectorType, payload } = mapping;
  checkColumns(mapping, reader);
  const form = vectorForm(reader, vector, vectorType);
  const { columns, unlisted } = reader;
  if (columns !== undefined) {
    const named = namedColumns(mapping, columns);
    if (payload !== 'rest') reader.only = named;
    else if (unlisted !== undefined && named.includes(unlisted)) reader.only = columns;
  }
  // A payload has lists, where vectors may be typed arrays.
  if (vector !== undefined && (reader.kind === 'hdf5' || !payload.includes(vector))) reader.vector = vector;
  return form;
}

export class Mapper {
  readonly #unseen: Set<string>;
  #read = false;

  constructor(
    readonly mapping: Mapping,
    /** The kind of ids in the store; undefined: the first row's id decides. */
    private kind: 'number' | 'string' | undefined,
    private readonly form: VectorForm = NUMBERS,
  ) {
    const { payload, numbers, strings = [] } = mapping;
    this.#unseen = new Set([...(payload === 'rest' ? [] : payload), ...numbers, ...strings]);
  }

  /** Columns of payloads that are named and that no row had, once one was read: where a file declares none, a slip is found so. */
  get unseen(): string[] {
    return this.#read ? [...this.#unseen] : [];
  }

  /** The kind of ids, once a row had one. */
  get idKind(): 'number' | 'string' | undefined {
    return this.mapping.id === undefined ? 'number' : this.kind;
  }

  /**
   * @param place of the row in the whole input: its id, where no column has one
   * @throws FunnelError BAD_ARGUMENT, BAD_ID, NOT_FINITE, naming the place; the row's own reason where it is broken
   */
  map(row: FileRow, place: number): MappedRow {
    if (row.broken !== undefined) throw row.broken;
    const values = row.values!;
    const { mapping } = this;
    const mapped: MappedRow = {
      id: mapping.id === undefined ? place : this.#id(values, mapping.id, row.at),
      payload: this.#payload(values, row.at),
      at: row.at,
    };
    if (mapping.text !== undefined) mapped.text = textOf(values, mapping.text, row.at);
    if (mapping.vector !== undefined) mapped.vector = vectorOf(values, mapping.vector, row.at, this.form);
    return mapped;
  }

  #id(values: Record<string, unknown>, column: string, at: string): Id {
    const where = `${JSON.stringify(column)} in ${at}`;
    const given = asText(valueAt(values, column), where, 'BAD_ID');
    let id = given;
    if (id === undefined) throw absent('BAD_ID', 'an integer or text', where, values);
    // Text files say 7 and "7" alike.
    if (typeof id === 'string' && (this.kind ?? (INTEGER.test(id) ? 'number' : 'string')) === 'number') {
      if (INTEGER.test(id)) id = Number(id);
    } else if (this.kind === 'string' && (typeof id === 'bigint' || Number.isSafeInteger(id))) id = String(id);
    if (typeof id === 'bigint' || (typeof id === 'number' && !Number.isSafeInteger(id))) {
      const remedy =
        typeof given === 'number'
          ? 'others as text in the file: a double may be rounded'
          : `larger ones as text, with ${this.form.option('idType', 'string')}`;
      // A column of bigints has its small integers as bigints, too.
      if (typeof given === 'bigint' && Number.isSafeInteger(Number(given))) {
        const what = `an integer within ±(2^53 − 1) (${remedy})`;
        throw new FunnelError('BAD_ID', `Expected ${what} for ${where} but received a column that has larger ones`);
      }
      throw expected('BAD_ID', `an integer within ±(2^53 − 1) (${remedy})`, where, given);
    }
    if ((typeof id !== 'string' && typeof id !== 'number') || id === '') {
      throw expected('BAD_ID', 'an integer or text', where, given);
    }
    if (typeof id === 'string' && /\p{Surrogate}/u.test(id)) throw expected('BAD_ID', 'whole characters', where, given);
    this.kind ??= typeof id as 'number' | 'string';
    if (typeof id !== this.kind) {
      const hint =
        this.kind === 'number' ? ` (a new store takes both as text, with ${this.form.option('idType', 'string')})` : '';
      throw expected('BAD_ID', `a ${this.kind}, as other ids are${hint},`, where, given);
    }
    return id;
  }

  #payload(values: Record<string, unknown>, at: string): Record<string, unknown> {
    const { payload, id, vector, numbers, strings = [] } = this.mapping;
    this.#read = true;
    for (const name of this.#unseen) if (valueAt(values, name) !== undefined) this.#unseen.delete(name);
    let some: Record<string, unknown> = {};
    if (payload === 'rest') {
      some = without(
        values,
        [id, vector].filter((name) => name !== undefined),
      );
    } else {
      for (const name of payload) {
        const value = valueAt(values, name);
        if (value !== undefined) putAt(some, values, name, value);
      }
    }
    for (const name of numbers) {
      const value = valueAt(some, name);
      if (value === undefined) continue;
      const number = numberOf(value, name, at);
      if (number === undefined) some = without(some, [name]);
      else putAt(some, some, name, number);
    }
    for (const name of strings) {
      const value = valueAt(some, name);
      if (value !== undefined && value !== null) putAt(some, some, name, stringOf(value, name, at));
    }
    for (const name of Object.keys(some)) {
      if (!ArrayBuffer.isView(some[name]) || some[name] instanceof Uint8Array) continue;
      const what = `what JSON can say (leave it out with ${this.form.option('payload')})`;
      throw expected('BAD_ARGUMENT', what, `${name} in ${at}`, some[name]);
    }
    return some;
  }
}

/** As `String(number)` writes it; what begins with a zero is no number but a code. */
const INTEGER = /^(0|-?[1-9]\d*)$/;

function absent(code: FunnelErrorCode, what: string, where: string, values: Record<string, unknown>): FunnelError {
  return new FunnelError(code, `Expected ${what} for ${where} but received undefined: the row has ${namesIn(values)}`);
}

function textOf(values: Record<string, unknown>, columns: readonly string[], at: string): string {
  const found = columns.map((column) => {
    return asText(valueAt(values, column), `${JSON.stringify(column)} in ${at}`, 'BAD_ARGUMENT');
  });
  const parts = found.map((value, i) => {
    if (typeof value !== 'string' && value !== null && value !== undefined) {
      throw expected('BAD_ARGUMENT', 'text', `${JSON.stringify(columns[i])} in ${at}`, value);
    }
    return value?.trim() ?? '';
  });
  const text = parts.filter((part) => part !== '').join('\n');
  if (text !== '') return text;
  const names = columns.map((column) => JSON.stringify(column)).join(' or ');
  const got = found.some((value) => value !== undefined) ? 'nothing there' : namesIn(values);
  throw new FunnelError('BAD_ARGUMENT', `Expected text for ${names} in ${at} but received ${got}`);
}

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Integers are exact: beyond ±(2^53 − 1) they are bigints. */
function numberOf(value: unknown, column: string, at: string): number | bigint | undefined {
  if (value === null || value === '') return undefined;
  if (typeof value === 'bigint') return value;
  const text = typeof value === 'string' ? value.trim() : '';
  const number = DECIMAL.test(text) ? Number(text) : value;
  if (typeof number === 'number' && /^[+-]?\d+$/.test(text) && !Number.isSafeInteger(number)) {
    return BigInt(text.replace('+', ''));
  }
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw expected('BAD_ARGUMENT', 'a number', `${JSON.stringify(column)} in ${at}`, value);
}

function stringOf(value: unknown, column: string, at: string): string {
  if (['string', 'number', 'bigint', 'boolean'].includes(typeof value)) return String(value);
  throw expected('BAD_ARGUMENT', 'a number or text', `${JSON.stringify(column)} in ${at}`, value);
}

/** Bytes of a column that may have text, as that. */
function asText(value: unknown, where: string, code: 'BAD_ID' | 'BAD_ARGUMENT'): unknown {
  if (!(value instanceof Uint8Array)) return value;
  const text = textOfBytes(value);
  if (text !== undefined) return text;
  const why = `binary with ${badByte(value)} (cast the column to string, as hexadecimal for example)`;
  throw new FunnelError(code, `Expected text in UTF-8 for ${where} but received ${why}`);
}

/**
 * An array, the text of one as JSON or PostgreSQL writes it, floats in their own form, or what `form` says. Dims are for the
 * store to judge.
 */
function vectorOf(values: Record<string, unknown>, column: string, at: string, form: VectorForm): Float32Array {
  let value = valueAt(values, column);
  const where = `${JSON.stringify(column)} in ${at}`;
  if (value === undefined) throw absent('BAD_ARGUMENT', 'an array of numbers', where, values);
  const encoded = form.type !== undefined && form.type !== 'numbers';
  if (typeof value === 'string' && encoded && !/^\s*[[{]/.test(value)) return vectorOfBytes(value.trim(), form, where);
  if (typeof value === 'string') {
    const postgres = /^\s*\{([^{}"]*)\}\s*$/.exec(value)?.[1];
    try {
      value = JSON.parse(postgres === undefined ? value : `[${postgres}]`);
    } catch {
      throw expected('BAD_ARGUMENT', 'an array of numbers', where, value);
    }
  }
  if (encoded || (form.type === 'numbers' && value instanceof Uint8Array)) {
    return vectorOfBytes(value, form, where);
  }
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    const what = `an array of numbers (of a field: ${form.option('vector', `${column}.<field>`)})`;
    const got = `an object: it has ${namesIn(value as Record<string, unknown>)}`;
    throw new FunnelError('BAD_ARGUMENT', `Expected ${what} for ${where} but received ${got}`);
  }
  const floats = value instanceof Float32Array || value instanceof Float64Array;
  if (!Array.isArray(value) && !floats) throw expected('BAD_ARGUMENT', 'an array of numbers', where, value);
  const list = value as ArrayLike<unknown>;
  if (list.length === 0) throw expected('BAD_DIMS', 'at least one dim', where, value);
  const vector = new Float32Array(list.length);
  for (let i = 0; i < list.length; i++) {
    const one = list[i];
    if (Array.isArray(one)) {
      throw expected('BAD_ARGUMENT', 'one vector a row (of several, write a row for each)', where, value);
    }
    vector[i] = typeof one === 'bigint' ? Number(one) : (one as number);
    if ((typeof one !== 'number' && typeof one !== 'bigint') || !Number.isFinite(vector[i])) {
      throw expected('NOT_FINITE', 'a finite float32', `dim ${i} of ${where}`, one);
    }
  }
  return vector;
}
