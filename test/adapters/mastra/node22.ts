/** The Node.js that Mastra asks for, and Mastra: this one and what is pinned in test/mastra, or why they are not to be had. */
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A Node.js that finds Mastra, whoever imports it. */
export interface MastraNode {
  program: string;
  args: string[];
  env: Record<string, string>;
}

const load = (file: string) => import(pathToFileURL(resolve(file)).href);

/** In CI they have to be had. */
export async function mastraNode(): Promise<MastraNode | string> {
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
  // The hooks of resolve.mjs are of 22.15.
  const isNewEnough = major > 23 || (major === 22 && minor >= 15) || (major === 23 && minor >= 5);
  if (!isNewEnough && (process.platform !== 'linux' || process.arch !== 'x64')) {
    return `Mastra asks for Node.js 22: this is ${process.version}, and only Linux x64 gets another for it`;
  }
  try {
    const { installed } = (await load('test/runtimes/runtimes.mjs')) as typeof import('../../runtimes/runtimes.mjs');
    const { ensureMastra } = (await load(
      'scripts/setup/bundlers.mjs',
    )) as typeof import('../../../scripts/setup/bundlers.mjs');
    const folder = await ensureMastra();
    return {
      program: isNewEnough ? process.execPath : await installed('Node 22'),
      args: ['--import', pathToFileURL(resolve('test/adapters/mastra/resolve.mjs')).href],
      // The hooks are for what is imported; what is required has this.
      env: { MASTRA_FOLDER: folder, NODE_PATH: join(folder, 'node_modules') },
    };
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return `Mastra, or its Node.js, cannot be installed: ${(error as Error).message}`;
  }
}
