/** Which column of a row is what. */
import { describe, expected, FunnelError } from '../errors.js';
import { setOwn } from '../sources/own.js';
import type { Id } from '../types.js';
import type { Reader, Row } from './read/reader.js';
import { badByte, textOfBytes } from './read/utf8.js';
import { NUMBERS, type VectorForm, type VectorType, vectorOfBytes } from './vector-type.js';

/** As it is kept beside a store: the same command must mean the same rows. */
export interface Mapping {
  /** Columns whose values make the text that is embedded: trimmed, joined by a line break. */
  text?: string[];
  /** The column that has vectors. One of `text` and `vector`. */
  vector?: string;
  /** What its bytes or unsigned integers are, where the file does not say. */
  vectorType?: VectorType;
  /** The column of ids; absent: rows have the number of their place in the input, from 0. */
  id?: string;
  /** 'rest': all columns but id and vector. */
  payload: 'rest' | string[];
  /** Columns of text files whose values are numbers. */
  numbers: string[];
}

export interface MappedRow {
  id: Id;
  text?: string;
  vector?: Float32Array;
  payload: Record<string, unknown>;
  at: string;
}

/** Columns that the mapping names. */
export function namedColumns({ text = [], vector, id, payload, numbers }: Mapping): string[] {
  const some = [...text, ...(vector === undefined ? [] : [vector]), ...(id === undefined ? [] : [id])];
  return [...new Set([...some, ...(payload === 'rest' ? [] : payload), ...numbers])];
}

/** Before any work, where the file declares its columns. @throws FunnelError BAD_ARGUMENT */
export function checkColumns(mapping: Mapping, { columns, path }: Reader): void {
  if (columns === undefined) return;
  const absent = namedColumns(mapping).find((name) => !columns.includes(name));
  if (absent !== undefined) {
    const has = columns.map((name) => JSON.stringify(name)).join(', ');
    throw new FunnelError('BAD_ARGUMENT', `Expected a column ${JSON.stringify(absent)} in ${path} but it has ${has}`);
  }
}

export class Mapper {
  constructor(
    readonly mapping: Mapping,
    /** Of the kind that the store has; undefined: what the first row has decides. */
    private kind: 'number' | 'string' | undefined,
    private readonly form: VectorForm = NUMBERS,
  ) {}

  /**
   * @param place of the row in the whole input: its id, where no column has one
   * @throws FunnelError BAD_ARGUMENT, BAD_ID, NOT_FINITE, naming the place; the row's own reason where it is broken
   */
  map(row: Row, place: number): MappedRow {
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
    let id = asText(own(values, column), where, 'BAD_ID');
    // A column that needs 64 bits; its small values too, so that ids are of one kind.
    if (typeof id === 'bigint' && this.kind === 'string') id = String(id);
    // Text files say 7 and "7" alike.
    if (typeof id === 'string' && (this.kind ?? (INTEGER.test(id) ? 'number' : 'string')) === 'number') {
      if (INTEGER.test(id)) id = Number(id);
    } else if (typeof id === 'number' && this.kind === 'string') id = String(id);
    if (typeof id === 'bigint' || (typeof id === 'number' && !Number.isSafeInteger(id))) {
      const what = 'an integer within ±(2^53 − 1) (larger ones as text, with --id-type string),';
      throw expected('BAD_ID', what, where, own(values, column));
    }
    if ((typeof id !== 'string' && typeof id !== 'number') || id === '') {
      throw expected('BAD_ID', 'an integer or text', where, own(values, column));
    }
    this.kind ??= typeof id as 'number' | 'string';
    if (typeof id !== this.kind) {
      const hint = this.kind === 'number' ? ' (--id-type string takes both as text)' : '';
      throw expected('BAD_ID', `a ${this.kind}, as other ids are${hint},`, where, own(values, column));
    }
    return id;
  }

  #payload(values: Record<string, unknown>, at: string): Record<string, unknown> {
    const { payload, id, vector, numbers } = this.mapping;
    const names = payload === 'rest' ? Object.keys(values).filter((name) => name !== id && name !== vector) : payload;
    const some: Record<string, unknown> = {};
    for (const name of names) {
      let value = own(values, name);
      if (value === undefined) continue;
      if (ArrayBuffer.isView(value) && !(value instanceof Uint8Array)) {
        throw expected('BAD_ARGUMENT', 'what JSON can say (leave it out with --payload)', `${name} in ${at}`, value);
      }
      if (numbers.includes(name)) {
        value = numberOf(value, name, at);
        if (value === undefined) continue;
      }
      setOwn(some, name, value);
    }
    return some;
  }
}

/** As `String(number)` writes it; what begins with a zero is no number but a code. */
const INTEGER = /^(0|-?[1-9]\d*)$/;

function own(values: Record<string, unknown>, column: string): unknown {
  return Object.hasOwn(values, column) ? values[column] : undefined;
}

function textOf(values: Record<string, unknown>, columns: readonly string[], at: string): string {
  const parts = columns.map((column) => {
    const value = asText(own(values, column), `${JSON.stringify(column)} in ${at}`, 'BAD_ARGUMENT');
    if (typeof value !== 'string' && value !== null && value !== undefined) {
      throw expected('BAD_ARGUMENT', 'text', `${JSON.stringify(column)} in ${at}`, value);
    }
    return value?.trim() ?? '';
  });
  const text = parts.filter((part) => part !== '').join('\n');
  if (text !== '') return text;
  const names = columns.map((column) => JSON.stringify(column)).join(' or ');
  const has = Object.keys(values).map((name) => JSON.stringify(name));
  const got = columns.some((column) => Object.hasOwn(values, column)) ? 'nothing there' : `only ${has.join(', ')}`;
  throw new FunnelError('BAD_ARGUMENT', `Expected text for ${names} in ${at} but received ${got}`);
}

function numberOf(value: unknown, column: string, at: string): number | undefined {
  if (value === null || value === '') return undefined;
  const number = typeof value === 'string' ? Number(value.trim() || Number.NaN) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw expected('BAD_ARGUMENT', 'a number', `${JSON.stringify(column)} in ${at}`, value);
}

/** Bytes of a column that may have text, as that. */
function asText(value: unknown, where: string, code: 'BAD_ID' | 'BAD_ARGUMENT'): unknown {
  if (!(value instanceof Uint8Array)) return value;
  const text = textOfBytes(value);
  if (text !== undefined) return text;
  const why = `binary with ${badByte(value)} (cast the column to string, as hexadecimal for example)`;
  throw new FunnelError(code, `Expected text in UTF-8 for ${where} but received ${why}`);
}

/** An array, its JSON, floats in their own form, or what `form` says. Dims are for the store to judge. */
function vectorOf(values: Record<string, unknown>, column: string, at: string, form: VectorForm): Float32Array {
  let value = own(values, column);
  const where = `${JSON.stringify(column)} in ${at}`;
  if (typeof value === 'string') {
    try {
      value = JSON.parse(value);
    } catch {
      throw expected('BAD_ARGUMENT', 'an array of numbers', where, value);
    }
  }
  if (form.type !== undefined && (form.type !== 'numbers' || value instanceof Uint8Array)) {
    return vectorOfBytes(value, form, where);
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
    vector[i] = one as number;
    if (typeof one !== 'number' || !Number.isFinite(vector[i])) {
      throw expected('NOT_FINITE', 'a finite float32', `dim ${i} of ${where}`, one);
    }
  }
  return vector;
}

/** For errors: what differs, by name. */
export function difference(before: Mapping, now: Mapping): string | undefined {
  for (const key of ['text', 'vector', 'vectorType', 'id', 'payload', 'numbers'] as const) {
    const [a, b] = [before[key], now[key]].map((one) => JSON.stringify(one ?? null));
    if (a !== b)
      return `--${key === 'vectorType' ? 'vector-type' : key} ${describe(before[key] ?? null)} then, ${describe(now[key] ?? null)} now`;
  }
  return undefined;
}
