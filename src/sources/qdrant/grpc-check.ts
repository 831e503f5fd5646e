/**
 * Refuses parts of a request that the gRPC client would drop without a word. Its protobuf library ignores keys that a
 * message does not have, so a filter in REST's spelling would become an empty one, which matches everything.
 */
import { describe, expected, FunnelError } from '../../core/errors.js';

/** As much of a protobuf message descriptor as is looked at. */
interface Shape {
  members: readonly Member[];
}

type Member = Field | { kind: 'oneof'; localName: string; fields: readonly Field[] };

interface Field {
  kind?: 'field';
  localName: string;
  fieldKind: string;
  /** Undefined for scalars, and for what is not looked into. */
  message?: Shape | undefined;
}

interface Shapes {
  filter: Shape;
  params: Shape;
}

let found: Promise<Shapes> | undefined;

/**
 * @param shapes - @default those of the client's package
 * @throws FunnelError BAD_ARGUMENT, naming the key
 */
export async function checkParts(filter: unknown, params: unknown, shapes?: Shapes): Promise<void> {
  if (isNothing(filter) && isNothing(params)) return;
  found ??= findShapes();
  const known = shapes ?? (await found);
  if (!isNothing(filter)) check(filter, known.filter, 'nativeFilter');
  if (!isNothing(params)) check(params, known.params, 'params');
}

async function findShapes(): Promise<Shapes> {
  try {
    const { FilterSchema, SearchParamsSchema } = await import('@qdrant/js-client-grpc');
    return { filter: FilterSchema as unknown as Shape, params: SearchParamsSchema as unknown as Shape };
  } catch {
    return builtIn();
  }
}

function check(value: unknown, shape: Shape, where: string): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw expected('BAD_ARGUMENT', "an object in the gRPC client's form", where, value);
  }
  const [only] = shape.members;
  for (const [key, part] of Object.entries(value)) {
    // $typeName and $unknown of a message that was made by the library.
    if (key.startsWith('$') || part === undefined) continue;
    const member = shape.members.find((one) => one.localName === key);
    if (!member) throw dropped(key, shape, where);
    const at = `${where}.${key}`;
    if (member.kind !== 'oneof') checkField(part, member, at);
    else {
      const choice = part as { case?: string; value?: unknown } | null;
      const field = member.fields.find((one) => one.localName === choice?.case);
      if (field) checkField(choice!.value, field, `${at}.value`);
      else if (choice?.case !== undefined) throw dropped(choice.case, { members: member.fields as Field[] }, at);
    }
  }
  // A condition, a match, an id: nothing but a choice, and meaningless without one.
  if (shape.members.length === 1 && only?.kind === 'oneof') {
    const choice = (value as Record<string, { case?: string } | undefined>)[only.localName];
    if (!choice?.case) {
      throw new FunnelError('BAD_ARGUMENT', `Expected ${choiceOf(only)} for ${where} but received ${describe(choice)}`);
    }
  }
}

function checkField(value: unknown, { fieldKind, message }: Field, where: string): void {
  if (fieldKind === 'list') {
    if (!Array.isArray(value)) throw expected('BAD_ARGUMENT', 'an array', where, value);
    if (message) for (const [i, one] of value.entries()) check(one, message, `${where}[${i}]`);
  } else if (fieldKind === 'message' && message) check(value, message, where);
}

function dropped(key: string, { members }: Shape, where: string): FunnelError {
  const camel = key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
  const names = members.map((member) => member.localName);
  const [only] = members;
  const right = names.includes(camel)
    ? JSON.stringify(camel)
    : members.length === 1 && only?.kind === 'oneof'
      ? choiceOf(only)
      : `one of ${names.map((name) => JSON.stringify(name)).join(', ')}`;
  return new FunnelError(
    'BAD_ARGUMENT',
    `Expected ${right} for ${where} but received key ${JSON.stringify(key)}: the gRPC client would drop it without a word`,
  );
}

function choiceOf({ localName, fields }: { localName: string; fields: readonly Field[] }): string {
  return `${localName}: { case, value } with case ${fields.map((field) => `'${field.localName}'`).join(', ')}`;
}

function isNothing(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

/** For a client that cannot be imported from here: filters and conditions, not looked into further. */
export function builtIn(): Shapes {
  const list = (localName: string, message: Shape): Field => ({ localName, fieldKind: 'list', message });
  const one = (localName: string, message?: Shape): Field => ({ localName, fieldKind: 'message', message });
  const filter: { members: Member[] } = { members: [] };
  const nested: Shape = { members: [{ localName: 'key', fieldKind: 'scalar' }, one('filter', filter)] };
  const fields = ['field', 'isEmpty', 'hasId', 'isNull', 'hasVector'].map((name) => one(name));
  fields.push(one('filter', filter), one('nested', nested));
  const condition: Shape = { members: [{ kind: 'oneof', localName: 'conditionOneOf', fields }] };
  const minShould: Shape = {
    members: [list('conditions', condition), { localName: 'minCount', fieldKind: 'scalar' }],
  };
  filter.members.push(
    ...['must', 'should', 'mustNot'].map((name) => list(name, condition)),
    one('minShould', minShould),
  );
  const params = ['hnswEf', 'exact', 'quantization', 'indexedOnly', 'acorn'].map((name) => one(name));
  return { filter, params: { members: params } };
}
