/** The servers of test/servers, loaded from the repository root, where tests run. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

interface Servers {
  startQdrant(): Promise<{
    url: string;
    grpcHost: string;
    grpcPort: number;
    real: boolean;
    /** As the server tells it, e.g. 1.18.3. */
    version: string;
    stop(): Promise<void>;
  }>;
  startMilvus(): Promise<{ address: string; kind: string; stop(): Promise<void> }>;
}

async function servers(): Promise<Servers> {
  return (await import(pathToFileURL(resolve('test/servers/servers.mjs')).href)) as Servers;
}

export const startQdrant: Servers['startQdrant'] = async () => (await servers()).startQdrant();
export const startMilvus: Servers['startMilvus'] = async () => (await servers()).startMilvus();

/** A test that passed only against this repository's stand-in for Qdrant says so in its name. */
export const qdrantMark = process.env['QDRANT_URL'] ? '' : ' [front]';

/** Whether a server tells this version or a later one. */
export function isAtLeast(version: string, major: number, minor: number): boolean {
  const [own = 0, its = 0] = version.split('.').map(Number);
  return own > major || (own === major && its >= minor);
}
