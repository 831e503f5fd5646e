/** The part of the SDK's MilvusClient that we use, so that the types of this package need no SDK installed. */
export interface MilvusClientLike {
  /** Schema, consistency and load state of a collection. */
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  describeCollection(request: any): Promise<any>;
  /** Metric and type of the index over a vector field. */
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  describeIndex(request: any): Promise<any>;
  /** The head search, of one vector or of many. */
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  search(request: any): Promise<any>;
  /** The collections that there are. */
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  showCollections?(request?: any): Promise<any>;
  /** The partitions of a collection. */
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  showPartitions?(request: any): Promise<any>;
  /** The server's version. */
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  getVersion?(): Promise<any>;
  /** Rows by id and page by page, and counts. */
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  query?(request: any): Promise<any>;
}

/** Where rows keep the keys that the schema does not name. */
export const DYNAMIC = '$meta';

export type MilvusRow = Record<string, unknown>;
