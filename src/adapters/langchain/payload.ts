/** A document as a payload and back. */
import { Document, type DocumentInterface } from '@langchain/core/documents';
import { expected, FunnelError } from '../../core/errors.js';
import { isMapOrSet } from '../../core/realm.js';

export interface Layout {
  readonly contentKey: string;
  /** Null: metadata stands at the top, beside the text. */
  readonly metadataKey: string | null;
  /** The beginning of a path into metadata. */
  readonly metadataPath: string;
}

/** @throws FunnelError BAD_ARGUMENT */
export function documentLayout(contentKey: unknown = 'content', metadataKey: unknown = 'metadata'): Layout {
  if (typeof contentKey !== 'string' || contentKey === '')
    throw expected('BAD_ARGUMENT', 'a key', 'contentKey', contentKey);
  if (metadataKey !== null && (typeof metadataKey !== 'string' || metadataKey === '' || metadataKey === contentKey)) {
    throw expected('BAD_ARGUMENT', 'another key than contentKey, or null,', 'metadataKey', metadataKey);
  }
  return { contentKey, metadataKey, metadataPath: metadataKey === null ? '' : `${metadataKey}.` };
}

/** @throws FunnelError BAD_ARGUMENT, naming document and key */
export function documentPayload(document: DocumentInterface, where: string, layout: Layout): Record<string, unknown> {
  const { pageContent, metadata = {} } = document ?? ({} as DocumentInterface);
  if (typeof pageContent !== 'string') throw expected('BAD_ARGUMENT', 'a text', `${where}.pageContent`, pageContent);
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
    throw expected('BAD_ARGUMENT', 'an object', `${where}.metadata`, metadata);
  }
  const own = plain(metadata, `${where}.metadata`, []) as Record<string, unknown>;
  const { contentKey, metadataKey } = layout;
  if (metadataKey !== null) return { [contentKey]: pageContent, [metadataKey]: own };
  if (Object.hasOwn(own, contentKey)) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected no ${contentKey} in ${where}.metadata, where the text stands: name another contentKey, or a metadataKey`,
    );
  }
  return { ...own, [contentKey]: pageContent };
}

/** As JSON has it, but that nothing is left out in silence but `undefined`. */
function plain(value: unknown, where: string, above: readonly object[]): unknown {
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'function' || typeof value === 'symbol') throw unfit(where, value);
    return value;
  }
  const json = (value as { toJSON?: unknown }).toJSON;
  if (typeof json === 'function' && !ArrayBuffer.isView(value)) return plain(json.call(value, ''), where, above);
  if (isMapOrSet(value) || ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    throw unfit(where, value);
  }
  if (above.includes(value)) throw new FunnelError('BAD_ARGUMENT', `Expected no object within itself at ${where}`);
  const inside = [...above, value];
  if (Array.isArray(value)) return Array.from(value, (one, i) => plain(one ?? null, `${where}[${i}]`, inside));
  const own: Record<string, unknown> = {};
  for (const [key, one] of Object.entries(value)) {
    if (one === undefined) continue;
    Object.defineProperty(own, key, {
      value: plain(one, `${where}.${key}`, inside),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return own;
}

function unfit(where: string, got: unknown): FunnelError {
  return expected(
    'BAD_ARGUMENT',
    'what JSON can say (an array or an object in place of a Map, a Set, bytes)',
    where,
    got,
  );
}

/** Metadata of a payload that lacks it is empty, as is its text. */
export function documentOf(id: unknown, payload: unknown, { contentKey, metadataKey }: Layout): Document {
  const own = (payload ?? {}) as Record<string, unknown>;
  const { [contentKey]: text } = own;
  let metadata: unknown;
  if (metadataKey === null) {
    metadata = { ...own };
    delete (metadata as Record<string, unknown>)[contentKey];
  } else {
    metadata = own[metadataKey];
  }
  return new Document({
    pageContent: typeof text === 'string' ? text : '',
    metadata: typeof metadata === 'object' && metadata !== null ? (metadata as Record<string, unknown>) : {},
    id: String(id),
  });
}
