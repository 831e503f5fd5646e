/** A Qdrant REST server of two dims that answers, or fails in the ways that servers do. */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** A number is an HTTP status with an error in the body; 'stalled …': headers and half a body, then nothing. */
export type Behaviour = 'answer' | 'silent' | 'stalled' | 'stalled error' | number;

export interface FilmServer {
  url: string;
  /** May be changed at any time. */
  how: { info: Behaviour; search: Behaviour };
  /** How many requests there were. */
  seen: { info: number; search: number };
  /** Connections with a request that has no whole answer. */
  hanging(): number;
  close(): Promise<void>;
}

export async function filmServer(how: Partial<FilmServer['how']> = {}): Promise<FilmServer> {
  const behaviour = { info: 'answer', search: 'answer', ...how } as FilmServer['how'];
  const seen = { info: 0, search: 0 };
  let hanging = 0;
  const vectors = { head: { size: 2, distance: 'Cosine' }, full: { size: 2, distance: 'Cosine' } };
  const server = http.createServer(async (request, response) => {
    hanging++;
    response.once('close', () => hanging--);
    for await (const _ of request);
    const search = request.url!.endsWith('/points/query');
    if (request.method === 'GET') seen.info++;
    if (search) seen.search++;
    const manner = search ? behaviour.search : behaviour.info;
    if (manner === 'silent') return;
    const bad = typeof manner === 'number' || manner === 'stalled error';
    const points = [{ id: 1, version: 0, score: 0.5, vector: { full: [1, 0] } }];
    const result = search
      ? { points }
      : request.method === 'GET'
        ? { config: { params: { vectors } } }
        : { points: [{ id: 1 }], next_page_offset: null };
    const body = JSON.stringify(bad ? { status: { error: 'no' }, time: 0 } : { result, status: 'ok', time: 0 });
    const status = typeof manner === 'number' ? manner : bad ? 400 : 200;
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
    if (manner === 'stalled' || manner === 'stalled error') response.write(body.slice(0, 5));
    else response.end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    how: behaviour,
    seen,
    hanging: () => hanging,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
