/** The servers of test/servers, loaded from the repository root, where tests run. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

interface Servers {
  startQdrant(): Promise<{ url: string; grpcHost: string; grpcPort: number; real: boolean; stop(): Promise<void> }>;
  startMilvus(): Promise<{ address: string; kind: string; stop(): Promise<void> }>;
}

async function servers(): Promise<Servers> {
  return (await import(pathToFileURL(resolve('test/servers/servers.mjs')).href)) as Servers;
}

export const startQdrant: Servers['startQdrant'] = async () => (await servers()).startQdrant();
export const startMilvus: Servers['startMilvus'] = async () => (await servers()).startMilvus();

/** A test that passed only against this repository's stand-in for Qdrant says so in its name. */
export const qdrantMark = process.env['QDRANT_URL'] ? '' : ' [front]';
