/** What is used of the gRPC client, so that the types of this package need no client installed. */
export interface QdrantGrpcClient {
  // biome-ignore lint/suspicious/noExplicitAny: the client's own types differ from version to version
  api(name: any): any;
}
