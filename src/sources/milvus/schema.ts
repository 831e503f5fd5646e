/** Reads the schema of a Milvus collection: its fields, dims, metrics and indexes. */
import { expected, FunnelError } from '../../core/errors.js';
import type { Id, Metric } from '../../core/types.js';
import { type GivenNames, listVectors, namesFor, namesToWrite, type VectorNames } from '../../query/source/layout.js';
import type { SourceInfo } from '../../query/source/source.js';
import { DYNAMIC, type MilvusClientLike } from './client.js';
import { refused } from './errors.js';
import type { MilvusField, MilvusFields } from './fields.js';
import { LEAST, literal } from './filter-text.js';
import { refusal } from './from-milvus.js';
import { VECTOR_FIELD_TYPES, VECTOR_KINDS, type VectorKind } from './vector-types.js';

/** Our metrics by Milvus's names, `metric_type` of an index. */
export const MILVUS_METRICS = { COSINE: 'cosine', IP: 'dot', L2: 'euclid' } as const;
const METRICS: Record<string, Metric | undefined> = MILVUS_METRICS;

export const FLOAT16 = 102;
const VARCHAR = 21;
/** Binary, float, half, sparse, int8 vectors and arrays of them. */
const isVector = (type: number) => type >= 100 && type < 200;

export interface MilvusFacts extends SourceInfo, VectorNames {
  idField: string;
  /** Whether ids are text, not numbers. */
  text: boolean;
  /** Fields that are no vectors, without the primary key. */
  scalars: string[];
  /** Fields of Int64 and of arrays of them, the primary key among them. */
  integers: ReadonlySet<string>;
  vectorFields: string[];
  dynamic: boolean;
  /** Whether the server answers squares of distances. */
  squared: { head: boolean; full: boolean };
  float16: boolean;
  /** The fields that are searched. */
  searched: { head: SearchedField; full: SearchedField };
  /** Whether a search of the full field looks at every row. */
  scans: boolean;
  /** The fields that filters may name. */
  fields: MilvusFields;
  /** Keys in JSON that were found to hold no arrays and no objects. */
  scalarKeys: Set<string>;
  /** Whether a search sends ids alone and vectors are read by them. */
  byIds: boolean;
}

export interface SearchedField {
  name: string;
  kind: VectorKind;
  /** As Milvus names it; undefined where the field has no index. */
  metric: string | undefined;
}

/** The options of the source that the schema depends on. */
interface Options extends GivenNames {
  collection: string;
  metric?: Metric | undefined;
  idField?: string | undefined;
  scalars?: boolean | 'ask' | undefined;
}

interface SchemaField {
  name: string;
  data_type?: string;
  dataType?: number;
  element_type?: string;
  nullable?: boolean;
  dim?: string | number;
  is_primary_key?: boolean;
}

/** Reads schema and indexes. @throws FunnelError */
export async function readMilvusFacts(
  client: Pick<MilvusClientLike, 'describeCollection' | 'describeIndex'>,
  options: Options,
  name: string,
): Promise<Omit<MilvusFacts, 'byIds'>> {
  const { collection, metric } = options;
  const answer = await client.describeCollection({ collection_name: collection });
  const no = refusal(answer?.status);
  if (no) throw refused(name, answer.status.code || no.code, no.reason, answer);
  const fields: SchemaField[] | undefined = answer?.schema?.fields;
  if (!Array.isArray(fields) || fields.length === 0)
    throw expected('BAD_RESPONSE', 'a schema with fields', name, answer?.schema);

  const vectorFields = fields.filter((field) => isVector(Number(field.dataType)));
  const scalars = fields.filter(
    (field) => !vectorFields.includes(field) && !field.is_primary_key && field.name !== DYNAMIC,
  );
  const primary = fields.find((field) => field.is_primary_key);
  const idField = options.idField ?? primary?.name ?? 'id';
  if (!fields.some((field) => field.name === idField)) {
    const names = fields.map((field) => field.name);
    throw noField(name, 'id field', idField, names);
  }
  const dense = new Map(
    vectorFields.filter((one) => VECTOR_KINDS[Number(one.dataType)]).map((one) => [one.name, Number(one.dim)]),
  );
  const { head, full } = namesFor(options, dense, name);
  const find = (wanted: string) => {
    const field = vectorFields.find((one) => one.name === wanted);
    if (!field) throw noVector(name, wanted, dense);
    const kind = VECTOR_KINDS[Number(field.dataType)];
    if (!kind) {
      throw new FunnelError(
        'BAD_ARGUMENT',
        `Expected a ${VECTOR_FIELD_TYPES} but ${JSON.stringify(wanted)} in ${name} is a ${field.data_type}`,
      );
    }
    return { name: wanted, dim: Number(field.dim), kind };
  };
  const headField = find(head);
  const restField = find(typeof full === 'string' ? full : full.tail);
  if (typeof full !== 'string') {
    const numbers = scalars.map((field) => field.name);
    if (!numbers.includes(full.headNorm)) throw noField(name, 'field', full.headNorm, numbers);
    const other = [headField.kind, restField.kind].find((kind) => kind === 'float16' || kind === 'int8');
    if (other !== undefined) {
      const type = other === 'int8' ? 'Int8Vector' : 'Float16Vector';
      throw new FunnelError('BAD_ARGUMENT', `Expected FloatVector fields for the tail layout of ${name}, not ${type}`);
    }
  }
  const { dim: headDim } = headField;
  const dim = typeof full === 'string' ? restField.dim : headDim + restField.dim;
  if (headDim > dim) {
    throw new FunnelError('BAD_DIMS', `Expected a head of at most ${dim} dims in ${name} but it has ${headDim}`);
  }

  const indexed = await indexesOf(client, collection, name);
  const headMetric = indexed.get(head)?.metric;
  const fullIndex = typeof full === 'string' ? indexed.get(full) : undefined;
  const fullMetric = fullIndex?.metric;
  const text = Number(fields.find((field) => field.name === idField)!.dataType) === VARCHAR;
  const stored = fullMetric ?? headMetric;
  if (!metric && !(stored && METRICS[stored])) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      stored
        ? `Expected an index under COSINE, IP or L2 but ${name} has one under ${stored}`
        : `Expected an index on ${JSON.stringify(head)} in ${name} but it has none: create one, or name the metric`,
    );
  }
  const scalarKeys = new Set<string>();
  return {
    head,
    full,
    headDim,
    dim,
    metric: metric ?? (typeof full === 'string' ? METRICS[stored!]! : 'cosine'),
    // As the SDK hands them out.
    idKind: 'string',
    idField,
    text,
    scalars: scalars.map((field) => field.name),
    integers: new Set(fields.filter(isInteger).map((field) => field.name)),
    vectorFields: vectorFields.map((field) => field.name),
    dynamic: Boolean(answer.schema.enable_dynamic_field),
    squared: { head: headMetric === 'L2', full: fullMetric === 'L2' },
    float16: typeof full === 'string' && restField.kind === 'float16',
    searched: {
      head: { name: head, kind: headField.kind, metric: headMetric },
      full: { name: restField.name, kind: restField.kind, metric: fullMetric },
    },
    scans: fullIndex === undefined || fullIndex.type === 'FLAT',
    fields: {
      primaryKey: { name: idField, text },
      fields: new Map(
        fields
          .filter((field) => !vectorFields.includes(field) && field.name !== DYNAMIC)
          .map((field) => [field.name, filterField(field)]),
      ),
      dynamic: Boolean(answer.schema.enable_dynamic_field),
      scalars: options.scalars === 'ask' ? scalarKeys : options.scalars === true,
    },
    scalarKeys,
  };
}

/** Reads the indexes, by field. */
async function indexesOf(
  client: Pick<MilvusClientLike, 'describeIndex'>,
  collection: string,
  name: string,
): Promise<Map<string, { metric: string | undefined; type: string | undefined }>> {
  type Index = { field_name: string; params?: { key: string; value: string }[] };
  const answer = await client.describeIndex({ collection_name: collection });
  const indexes = new Map<string, { metric: string | undefined; type: string | undefined }>();
  const no = refusal(answer?.status);
  const code = answer?.status?.code || no?.code;
  // No index at all is an error status too, and for the caller to judge.
  if (no && code !== 700 && no.code !== 'IndexNotExist' && !/no index|index (is )?(not|doesn't)/i.test(no.reason)) {
    throw refused(name, code, no.reason, answer);
  }
  for (const { field_name, params } of (answer?.index_descriptions ?? []) as Index[]) {
    const param = (name: string) => params?.find(({ key }) => key === name)?.value?.toUpperCase();
    indexes.set(field_name, { metric: param('metric_type'), type: param('index_type') });
  }
  return indexes;
}

function isInteger({ data_type, element_type }: SchemaField): boolean {
  return data_type === 'Int64' || (data_type === 'Array' && element_type === 'Int64');
}

function filterField({ data_type = '', element_type, nullable }: SchemaField): MilvusField {
  return {
    type: data_type,
    ...(data_type === 'Array' && element_type !== undefined && { element: element_type }),
    ...(nullable && { nullable: true }),
  };
}

/** A key as an expression has it. */
/** Rows with one of these keys. @throws FunnelError BAD_ID */
export function withKeys(ids: readonly Id[], facts: MilvusFacts): string {
  const keys = ids.map((id) => keyLiteral(id, facts));
  const known = keys.filter((key) => key !== NO_LITERAL);
  const least = known.length < keys.length ? [`${facts.idField} < ${LEAST + 1n}`] : [];
  return [...(known.length > 0 ? [`${facts.idField} in [${known.join(',')}]`] : []), ...least].join(' or ');
}

/** Rows with larger keys. */
export function behindKey(id: Id, facts: MilvusFacts): string {
  const key = keyLiteral(id, facts);
  return key === NO_LITERAL ? `${facts.idField} >= ${LEAST + 1n}` : `${facts.idField} > ${key}`;
}

const NO_LITERAL = String(LEAST);

function keyLiteral(id: Id, { text }: MilvusFacts): string {
  const plain = String(id);
  if (text) return literal(plain);
  if (!/^-?\d+$/.test(plain)) throw expected('BAD_ID', 'an integer, as the keys of the collection are,', 'an id', id);
  return String(BigInt(plain));
}

function noVector(name: string, wanted: string, dense: ReadonlyMap<string, number>): FunnelError {
  const remedy =
    dense.size === 0 ? '' : `: write ${namesToWrite(dense)}${dense.size === 1 ? ', or leave both out' : ''}`;
  const what = `vector field ${JSON.stringify(wanted)} in ${name}`;
  return new FunnelError('NO_FIELD', `Expected ${what} but it has ${listVectors(dense)}${remedy}`);
}

export function noField(name: string, what: string, field: string, has: readonly string[]): FunnelError {
  const names = has.map((name) => JSON.stringify(name)).join(', ');
  return new FunnelError(
    'NO_FIELD',
    `Expected ${what} ${JSON.stringify(field)} in ${name} but it has ${names || 'none'}`,
  );
}
