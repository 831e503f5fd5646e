/**
 * The part of @mastra/core that is used here, for builds without that package: users compile against its own types, and
 * test/mastra compiles ours against them, too.
 */
declare module '@mastra/core/vector' {
  export type VectorFilter = Record<string, unknown> | null | undefined;
  type MastraMetric = 'cosine' | 'euclidean' | 'dotproduct';
  // biome-ignore lint/suspicious/noExplicitAny: as the package has it
  type Metadata = Record<string, any>;

  export interface SparseVector {
    indices: number[];
    values: number[];
  }
  export interface QueryResult {
    id: string;
    score: number;
    metadata?: Metadata;
    vector?: number[];
    document?: string;
  }
  export interface IndexStats {
    dimension: number;
    count: number;
    metric?: MastraMetric;
  }
  export interface UpsertVectorParams<Filter = VectorFilter> {
    indexName: string;
    vectors: number[][];
    metadata?: Metadata[];
    ids?: string[];
    sparseVectors?: SparseVector[];
    deleteFilter?: Filter;
  }
  export interface CreateIndexParams {
    indexName: string;
    dimension: number;
    metric?: MastraMetric;
  }
  export interface QueryVectorParams<Filter = VectorFilter> {
    indexName: string;
    queryVector?: number[];
    topK?: number;
    filter?: Filter;
    includeVector?: boolean;
    sparseVector?: SparseVector;
  }
  export interface DescribeIndexParams {
    indexName: string;
  }
  export interface DeleteIndexParams {
    indexName: string;
  }
  interface VectorUpdate {
    vector?: number[];
    metadata?: Metadata;
  }
  export type UpdateVectorParams<Filter = VectorFilter> =
    | { indexName: string; id: string; filter?: never; update: VectorUpdate }
    | { indexName: string; id?: never; filter: Filter; update: VectorUpdate };
  export interface DeleteVectorParams {
    indexName: string;
    id: string;
  }
  export interface DeleteVectorsParams<Filter = VectorFilter> {
    indexName: string;
    ids?: string[];
    filter?: Filter;
  }
  export abstract class MastraVector<Filter = VectorFilter> {
    id: string;
    protected logger:
      | { debug(message: string): void; warn(message: string): void; trackException(error: Error): void }
      | undefined;
    constructor(options: { id: string; disableInit?: boolean });
    abstract query(params: QueryVectorParams<Filter>): Promise<QueryResult[]>;
    abstract upsert(params: UpsertVectorParams): Promise<string[]>;
    abstract createIndex(params: CreateIndexParams): Promise<void>;
    abstract listIndexes(): Promise<string[]>;
    abstract describeIndex(params: DescribeIndexParams): Promise<IndexStats>;
    abstract deleteIndex(params: DeleteIndexParams): Promise<void>;
    abstract updateVector(params: UpdateVectorParams<Filter>): Promise<void>;
    abstract deleteVector(params: DeleteVectorParams): Promise<void>;
    abstract deleteVectors(params: DeleteVectorsParams<Filter>): Promise<void>;
  }
}

declare module '@mastra/core/error' {
  export class MastraError extends Error {
    readonly id: Uppercase<string>;
    constructor(
      definition: {
        id: Uppercase<string>;
        text?: string;
        domain: 'MASTRA_VECTOR';
        category: 'USER' | 'SYSTEM' | 'THIRD_PARTY';
        details?: Record<string, string | number | boolean | null>;
      },
      cause?: unknown,
    );
  }
}
