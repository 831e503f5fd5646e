export interface StartOptions {
  /** Progress, one line at a time. */
  log?: (line: string) => void;
  /** Where a server that is started here keeps its data; kept when it stops. @default a folder that goes with it */
  dataDir?: string;
}

export interface QdrantServer {
  url: string;
  grpcHost: string;
  grpcPort: number;
  /** False for the front of this repository, true for the server named by QDRANT_URL. */
  real: boolean;
  stop(): Promise<void>;
  /** Ends the server and starts it again with its ports and data. Absent for a server that was not started here. */
  restart?(): Promise<void>;
}

export interface MilvusServer {
  /** host:port */
  address: string;
  kind: 'milvus-lite' | 'milvus';
  /** True for the server named by MILVUS_ADDRESS. */
  real: boolean;
  stop(): Promise<void>;
  restart?(): Promise<void>;
}

export function startQdrant(options?: StartOptions): Promise<QdrantServer>;
export function startMilvus(options?: StartOptions): Promise<MilvusServer>;
