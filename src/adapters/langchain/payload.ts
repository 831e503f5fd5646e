/** A document as a payload and back. */
import { Document, type DocumentInterface } from '@langchain/core/documents';
import { expected, FunnelError } from '../../core/errors.js';
import { isPlain } from '../../core/validate.js';
import { plainValue } from '../plain.js';

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

/**
 * Whether it has a text and metadata; whether a store can keep these is for the store to say.
 *
 * @throws FunnelError BAD_ARGUMENT, naming document and key
 */
export function checkDocument(document: DocumentInterface, where: string): Pick<Document, 'pageContent' | 'metadata'> {
  const { pageContent, metadata = {} } = document ?? ({} as DocumentInterface);
  if (typeof pageContent !== 'string') throw expected('BAD_ARGUMENT', 'a text', `${where}.pageContent`, pageContent);
  const isObject = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata);
  // A Map or a Date has no keys, and its content would be lost; an object of a class may have a name of its own.
  if (!isObject || ArrayBuffer.isView(metadata) || (Object.keys(metadata).length === 0 && !isPlain(metadata))) {
    throw expected('BAD_ARGUMENT', 'an object', `${where}.metadata`, metadata);
  }
  return { pageContent, metadata };
}

/** @throws FunnelError BAD_ARGUMENT, naming document and key */
export function documentPayload(document: DocumentInterface, where: string, layout: Layout): Record<string, unknown> {
  const { pageContent, metadata } = checkDocument(document, where);
  const own = plainValue(metadata, `${where}.metadata`);
  // An object with a toJSON() may say itself as a text.
  if (!isPlain(own)) throw expected('BAD_ARGUMENT', 'an object', `${where}.metadata`, metadata);
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
