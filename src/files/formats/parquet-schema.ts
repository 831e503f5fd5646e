/**
 * The columns of a Parquet file, as trees, and what the decoder is shown of them: plain physical types under names that are
 * numbers. So the decoder gives what the file has, bit for bit; what that means is decided here and in parquet-values.ts.
 */
import type { FileMetaData, SchemaElement } from 'hyparquet';
import { FunnelError } from '../../core/errors.js';
import { setOwn } from '../../core/own.js';
import { type Leaf, leafOf, Unfit } from './parquet-values.js';

export interface ParquetColumn {
  /** As the file has it. */
  name: string;
  /** As the decoder knows it: the place of the element in the schema. */
  key: string;
  kind: 'leaf' | 'list' | 'map' | 'struct';
  /** For people: "list of uint8". */
  words: string;
  leaf?: Leaf;
  /** The elements of a list. */
  element?: ParquetColumn;
  /** The fields of a struct; the key and the value of a map. */
  fields?: ParquetColumn[];
  /** Turns decoded values into what they mean: JSON, bigint and bytes; null where there is none. @throws Unfit */
  convert: (raw: unknown) => unknown;
}

/** @throws FunnelError UNSUPPORTED, BAD_ARGUMENT: names that come twice */
export function columnsOf({ schema }: FileMetaData, path: string): ParquetColumn[] {
  let leaves = 0;
  let at = 0;

  function children(count: number): ParquetColumn[] {
    const some = Array.from({ length: count }, () => column());
    const twice = some.find(({ name }, i) => some.findIndex((one) => one.name === name) !== i);
    if (twice !== undefined) {
      const what = `different names of columns for ${path}`;
      throw new FunnelError('BAD_ARGUMENT', `Expected ${what} but received ${JSON.stringify(twice.name)} twice`);
    }
    return some;
  }

  function column(): ParquetColumn {
    const key = String(++at);
    const element = schema[at];
    if (element === undefined) throw new FunnelError('CORRUPT', `Expected ${path} to list its columns but it stops`);
    const { name } = element;
    const one = element.type === undefined ? group(element, key) : scalar(element, key);
    return element.repetition_type === 'REPEATED' ? list(name, key, one) : one;
  }

  function scalar(element: SchemaElement, key: string): ParquetColumn {
    const leaf = leafOf(element, leaves++);
    return { name: element.name, key, kind: 'leaf', words: leaf.words, leaf, convert: leaf.convert };
  }

  function group(element: SchemaElement, key: string): ParquetColumn {
    const { name, num_children = 0 } = element;
    const inner = children(num_children);
    if (isVariant(element)) return unreadable(name, key, 'variant');
    const repeated = inner.length === 1 ? inner[0]! : undefined;
    if (isList(element) && repeated?.element !== undefined) {
      // The decoder steps over a middle group that has one field.
      const { fields, key: middle } = repeated.element;
      if (repeated.element.kind === 'struct' && fields?.length === 1) return list(name, key, fields[0]!);
      const one = list(name, key, repeated.element);
      return repeated.element.kind === 'leaf' ? one : unwrapped(one, middle);
    }
    if (isMap(element) && repeated?.element?.fields?.length === 2) return map(name, key, repeated);
    return struct(name, key, inner);
  }

  return children(schema[0]?.num_children ?? 0);
}

const isList = ({ converted_type, logical_type }: SchemaElement) =>
  converted_type === 'LIST' || logical_type?.type === 'LIST';
const isMap = ({ converted_type, logical_type }: SchemaElement) =>
  converted_type === 'MAP' || converted_type === 'MAP_KEY_VALUE' || logical_type?.type === 'MAP';
const isVariant = ({ logical_type }: SchemaElement) => logical_type?.type === 'VARIANT';

function list(name: string, key: string, element: ParquetColumn): ParquetColumn {
  const { convert } = element;
  const words = `list of ${element.words}`;
  const one = { name, key, kind: 'list' as const, words, element };
  // Vectors are not copied.
  if (element.leaf?.asIs) return { ...one, convert: (raw) => raw ?? null };
  return { ...one, convert: (raw) => (raw === undefined || raw === null ? null : (raw as unknown[]).map(convert)) };
}

/** A list that the decoder shows as a struct of one field. */
function unwrapped(one: ParquetColumn, field: string): ParquetColumn {
  const { convert } = one;
  return { ...one, convert: (raw) => convert((raw as Record<string, unknown> | undefined)?.[field]) };
}

function struct(name: string, key: string, fields: ParquetColumn[]): ParquetColumn {
  const words = `struct of ${fields.map((field) => field.name).join(', ')}`;
  const convert = (raw: unknown) => {
    if (raw === undefined || raw === null) return null;
    const out: Record<string, unknown> = {};
    for (const field of fields) setOwn(out, field.name, within(field, (raw as Record<string, unknown>)[field.key]));
    return out;
  };
  return { name, key, kind: 'struct', words, fields, convert };
}

/** As an object, whose keys are text. */
function map(name: string, key: string, entries: ParquetColumn): ParquetColumn {
  const fields = entries.element!.fields!;
  const [of, to] = fields as [ParquetColumn, ParquetColumn];
  const convert = (raw: unknown) => {
    if (raw === undefined || raw === null) return null;
    const out: Record<string, unknown> = {};
    for (const entry of ((raw as Record<string, unknown>)[entries.key] ?? []) as Record<string, unknown>[]) {
      const key = of.convert(entry[of.key]);
      if (typeof key === 'object') throw new Unfit('keys of a map that are text or numbers', of.words);
      const twice = Object.hasOwn(out, String(key));
      if (twice) throw new Unfit('a map that has each key once', `${JSON.stringify(String(key))} twice`);
      setOwn(out, String(key), to.convert(entry[to.key]));
    }
    return out;
  };
  return { name, key, kind: 'map', words: `map of ${of.words} to ${to.words}`, fields, convert };
}

function within(field: ParquetColumn, raw: unknown): unknown {
  try {
    return field.convert(raw);
  } catch (error) {
    if (error instanceof Unfit) error.path.unshift(field.name);
    throw error;
  }
}

function unreadable(name: string, key: string, words: string): ParquetColumn {
  const convert = () => null;
  return { name, key, kind: 'leaf', words, leaf: { words, at: -1, asIs: false, unsupported: true, convert }, convert };
}

/** All leaves below, in the order of the file. */
export function leavesOf(column: ParquetColumn): Leaf[] {
  if (column.leaf !== undefined) return [column.leaf];
  return [...(column.element ? [column.element] : []), ...(column.fields ?? [])].flatMap(leavesOf);
}

/** The metadata with physical types, and with numbers in place of names. */
export function physical(metadata: FileMetaData): FileMetaData {
  const paths: string[][] = [];
  let at = 0;
  const walk = (count: number, above: string[]): void => {
    for (let i = 0; i < count; i++) {
      const path = [...above, String(++at)];
      const { type, num_children = 0 } = metadata.schema[at]!;
      if (type === undefined) walk(num_children, path);
      else paths.push(path);
    }
  };
  walk(metadata.schema[0]?.num_children ?? 0, []);
  const schema = metadata.schema.map((element, i): SchemaElement => {
    const { type, type_length, repetition_type, num_children } = element;
    return {
      name: i === 0 ? 'root' : String(i),
      ...(type && { type }),
      ...(type_length !== undefined && { type_length }),
      ...(repetition_type && { repetition_type }),
      ...(num_children !== undefined && { num_children }),
      // A LIST is assembled by the decoder; a MAP is the list of entries that it is.
      ...(type === undefined && isList(element) && { converted_type: 'LIST' as const }),
      // Without this the decoder would make a time of it.
      ...(type === 'INT96' && { converted_type: 'INT_64' as const }),
      ...(isGeo(element) && { logical_type: element.logical_type! }),
    };
  });
  const row_groups = metadata.row_groups.map((group) => ({
    ...group,
    columns: group.columns.map((chunk, i) => ({
      ...chunk,
      ...(chunk.meta_data && { meta_data: { ...chunk.meta_data, path_in_schema: paths[i] ?? [] } }),
    })),
  }));
  return { ...metadata, schema, row_groups };
}

function isGeo({ logical_type }: SchemaElement): boolean {
  return logical_type?.type === 'GEOMETRY' || logical_type?.type === 'GEOGRAPHY';
}
