import { QdrantClient } from '@qdrant/js-client-grpc';
import { sourceConformance } from './conformance.js';
import { openSource, qdrantLoader } from './qdrant-backend.js';
import { qdrantMark, startQdrant } from './servers.js';

await sourceConformance(
  `Qdrant over gRPC${qdrantMark}`,
  async () => {
    const server = await startQdrant();
    const connect = (port: number) =>
      new QdrantClient({ host: server.grpcHost, port, checkCompatibility: false, compression: false });
    const client = connect(server.grpcPort);
    let decoded: boolean[] = [];
    let searches = 0;
    const points = client.api('points');
    const { query, queryBatch } = points;
    points.queryBatch = async (...args) => {
      searches++;
      const answer = await queryBatch(...args);
      decoded.push(answer.$typeName === 'qdrant.QueryBatchResponse');
      return answer;
    };
    points.query = async (...args) => {
      searches++;
      const answer = await query(...args);
      decoded.push(answer.$typeName === 'qdrant.QueryResponse');
      return answer;
    };
    const field = (value: object) => ({ must: [{ conditionOneOf: { case: 'field', value } }] });
    return {
      ...qdrantLoader(server.url, client),
      column: 'Qdrant, gRPC',
      searches: () => searches,
      source: (options) => openSource(client, options),
      elsewhere: (port, options) => openSource(connect(port), options),
      clientDecoded: () => {
        const was = decoded;
        decoded = [];
        return was;
      },
      idOf: (row) => (typeof row.id === 'number' ? BigInt(row.id) : row.id),
      idKinds: { number: 'bigint', string: 'string', big: 'bigint' },
      filters: {
        even: field({ key: 'even', match: { matchValue: { case: 'boolean', value: true } } }),
        small: field({ key: 'n', range: { lt: 10 } }),
        nothing: field({ key: 'title', match: { matchValue: { case: 'keyword', value: 'none' } } }),
      },
      stop: () => server.stop(),
    };
  },
  {
    skips: {
      'ids beyond 2^53 are refused over JSON, with the remedy': 'gRPC carries them',
      'a limit beyond the database is refused before the search': 'Qdrant has no such limit',
      'a filter that the database does not understand is refused in its words': 'the client refuses to encode it',
      'a collection that is not loaded is an error of its own': 'Qdrant loads by itself',
    },
  },
);
