/** The parts of the gRPC client that are used, so that the types of this package need no client installed. */
export interface QdrantGrpcClient {
  /** One of the client's services: 'points' or 'collections'. */
  // biome-ignore lint/suspicious/noExplicitAny: the client's own types differ from version to version
  api(name: any): any;
}
