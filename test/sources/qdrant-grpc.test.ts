import { readFileSync } from 'node:fs';
import { QdrantClient } from '@qdrant/js-client-grpc';
import { sourceConformance } from 'funnelvec/source/conformance';
import { SEED } from '../random.js';
import { refusalsOf } from './feature-table.js';
import { funnelsOverGlosses } from './glosses.js';
import { openSource, qdrantLoader } from './qdrant-backend.js';
import { qdrantMark, startQdrant } from './servers.js';

const { version: clientVersion } = JSON.parse(
  readFileSync('node_modules/@qdrant/js-client-grpc/package.json', 'utf8'),
) as { version: string };

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
      version: server.version,
      supports: {
        idKinds: { number: 'bigint', string: 'string', big: 'bigint' },
        exact: 'server',

        normalises: true,
        collections: true,
        tails: true,
        decoders: true,
        server: true,
        refuses: refusalsOf('Qdrant, gRPC', [server.version, clientVersion]),
      },
      searches: () => searches,
      source: (options) => openSource(client, options),
      elsewhere: (port, options) => openSource(connect(port), options),
      clientDecoded: () => {
        const was = decoded;
        decoded = [];
        return was;
      },
      idOf: (row) => (typeof row.id === 'number' ? BigInt(row.id) : row.id),
      filters: {
        even: field({ key: 'even', match: { matchValue: { case: 'boolean', value: true } } }),
        small: field({ key: 'n', range: { lt: 10 } }),
        nothing: field({ key: 'title', match: { matchValue: { case: 'keyword', value: 'none' } } }),
      },
      stop: () => server.stop(),
    };
  },
  { seed: SEED, funnels: [funnelsOverGlosses] },
);
