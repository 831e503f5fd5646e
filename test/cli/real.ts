/** A real model, real texts and the real command; loaded from the repository root, where tests run. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const load = async <T>(file: string): Promise<T> => (await import(pathToFileURL(resolve(file)).href)) as T;

export const { loadGlosses } = await load<typeof import('../../scripts/data/glosses.mjs')>('scripts/data/glosses.mjs');

/** The folder of WordLlama; or why there is none, which CI does not accept. */
export async function wordllama(): Promise<{ folder: string; missing?: undefined } | { missing: string }> {
  try {
    const { wordllamaFolder } =
      await load<typeof import('../../scripts/models/models.mjs')>('scripts/models/models.mjs');
    return { folder: await wordllamaFolder() };
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return { missing: (error as Error).message };
  }
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The command that users have, in a process of its own. */
export function funnelvec(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const main = resolve('dist/esm/cli/main.js');
  if (!existsSync(main)) throw new Error(`${main} is not built`);
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [main, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => void (stdout += chunk));
    child.stderr.on('data', (chunk) => void (stderr += chunk));
    child.on('error', fail);
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
}
