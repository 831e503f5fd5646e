/**
 * Milvus answers with the vectors lifted out. The SDK turns every float of an answer into an element of a number[] twice over,
 * and then prints the whole answer as JSON for a log line that nobody reads. So the vectors are cut out of the answer's bytes
 * before the SDK sees them; ids, scores, scalar fields and errors stay the SDK's business.
 */
import { LITTLE_ENDIAN } from '../../core/endian.js';
import { isErrorOf } from '../../core/realm.js';
import { LENGTH, varintBytes, WireReader } from '../wire.js';
import { type VectorKind, WIDTHS } from './vector-types.js';

export interface LiftedField {
  /** Rows of `dim` values, as on the wire. */
  bytes: Uint8Array;
  kind: VectorKind;
  dim: number;
}

export interface LiftedAnswer {
  /** The answer without those vectors; the fields are still there, empty. */
  rest: Buffer;
  fields: Map<string, LiftedField>;
}

/**
 * Cuts the named vector fields out of a serialised answer, SearchResults or QueryResults; undefined when there is anything
 * unusual about them.
 */
export function liftFields(
  answer: Uint8Array,
  names: readonly string[],
  method: 'Search' | 'Query' = 'Search',
): LiftedAnswer | undefined {
  if (!LITTLE_ENDIAN) return undefined;
  const fields = new Map<string, LiftedField>();
  let usual = true;
  const vectorField = (name: string) => (message: WireReader) => {
    const lifted = readVectorField(message);
    if (!lifted || fields.has(name)) usual = false;
    else fields.set(name, lifted);
    return rewrite(message, (field) => (KINDS[field] ? EMPTY : undefined));
  };
  const fieldData = (message: WireReader) => {
    const { name, nullable } = readFieldData(message);
    if (!names.includes(name)) return undefined;
    if (nullable) usual = false;
    return rewrite(message, (field, content) =>
      field === FIELD_DATA.vectors ? vectorField(name)(content()) : undefined,
    );
  };
  try {
    const fieldsOf = (message: WireReader, fieldsData: number) =>
      rewrite(message, (field, content) => (field === fieldsData ? fieldData(content()) : undefined));
    const message = new WireReader(answer);
    const whole =
      method === 'Query'
        ? fieldsOf(message, QUERY_RESULTS.fieldsData)
        : rewrite(message, (field, content) =>
            field === SEARCH_RESULTS.results ? fieldsOf(content(), RESULT_DATA.fieldsData) : undefined,
          );
    return usual && fields.size === names.length ? { rest: Buffer.concat(whole.parts, whole.size), fields } : undefined;
  } catch (error) {
    if (isErrorOf(error, 'RangeError')) return undefined;
    throw error;
  }
}

/** The status of a serialised answer: the SDK hides it behind a TypeError when there are no results beside it. */
export function statusOf(answer: Uint8Array): { code: number; reason: string } | undefined {
  try {
    const reader = new WireReader(answer);
    while (reader.next()) {
      if (reader.field !== SEARCH_RESULTS.status) {
        reader.skip();
        continue;
      }
      const status = reader.message();
      let [legacy, code, reason] = [0, 0, ''];
      while (status.next()) {
        if (status.field === 1) legacy = Number(status.varint());
        else if (status.field === 2) reason = status.string();
        else if (status.field === 3) code = Number(status.varint());
        else status.skip();
      }
      return { code: code || legacy, reason };
    }
  } catch {
    // Whoever decodes the answer in full will say what is wrong with it.
  }
  return undefined;
}

// Field numbers of milvus.proto and schema.proto.
const SEARCH_RESULTS = { status: 1, results: 2 };
const RESULT_DATA = { fieldsData: 3 };
const QUERY_RESULTS = { fieldsData: 2 };
const FIELD_DATA = { name: 2, vectors: 4, validData: 7 };
const VECTOR_FIELD = { dim: 1, floats: 2 };
const KINDS: Record<number, LiftedField['kind'] | undefined> = { 2: 'float32', 4: 'float16', 5: 'bfloat16', 7: 'int8' };

interface Pieces {
  parts: Uint8Array[];
  size: number;
}

const EMPTY: Pieces = { parts: [], size: 0 };

/**
 * Copies a message record by record; where `edit` answers, with that in the record's place. The pieces are views of the
 * original.
 */
function rewrite(message: WireReader, edit: (field: number, content: () => WireReader) => Pieces | undefined): Pieces {
  const reader = new WireReader(message.bytes, message.at, message.end);
  const { bytes } = reader;
  const pieces: Pieces = { parts: [], size: 0 };
  const push = (part: Uint8Array) => {
    pieces.parts.push(part);
    pieces.size += part.length;
  };
  let copied = reader.at;
  while (reader.next()) {
    const tagged = reader.at;
    if (reader.type !== LENGTH) {
      reader.skip();
      continue;
    }
    const content = reader.message();
    const edited = edit(reader.field, () => new WireReader(bytes, content.at, content.end));
    if (!edited) continue;
    push(bytes.subarray(copied, tagged));
    push(Uint8Array.from(varintBytes(edited.size)));
    for (const part of edited.parts) push(part);
    copied = reader.at;
  }
  push(bytes.subarray(copied, reader.end));
  return pieces;
}

function readFieldData(message: WireReader): { name: string; nullable: boolean } {
  const reader = new WireReader(message.bytes, message.at, message.end);
  let name = '';
  let nullable = false;
  while (reader.next()) {
    if (reader.field === FIELD_DATA.name) name = reader.string();
    else {
      if (reader.field === FIELD_DATA.validData) nullable = true;
      reader.skip();
    }
  }
  return { name, nullable };
}

function readVectorField(message: WireReader): LiftedField | undefined {
  const reader = new WireReader(message.bytes, message.at, message.end);
  let dim = 0;
  let found: Omit<LiftedField, 'dim'> | undefined;
  while (reader.next()) {
    const kind = KINDS[reader.field];
    if (reader.field === VECTOR_FIELD.dim) dim = Number(reader.varint());
    else if (!kind) return undefined;
    else {
      if (found) return undefined;
      const bytes = reader.field === VECTOR_FIELD.floats ? packedFloats(reader.message()) : reader.view();
      if (!bytes) return undefined;
      found = { bytes, kind };
    }
  }
  return found && dim > 0 && found.bytes.length % (dim * WIDTHS[found.kind]) === 0 ? { ...found, dim } : undefined;
}

/** FloatArray.data in one packed run, which is how every server writes it. */
function packedFloats(reader: WireReader): Uint8Array | undefined {
  if (!reader.next() || reader.field !== 1 || reader.type !== LENGTH) return undefined;
  const bytes = reader.view();
  return reader.next() ? undefined : bytes;
}
