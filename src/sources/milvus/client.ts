/** The part of the SDK's MilvusClient that we use, so that the types of this package need no SDK installed. */
export interface MilvusClientLike {
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  describeCollection(request: any): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  describeIndex(request: any): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  search(request: any): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  query?(request: any): Promise<any>;
}

/** Where rows keep the keys that the schema does not name. */
export const DYNAMIC = '$meta';

export type MilvusRow = Record<string, unknown>;
