// Everything that tests and demo need, on a fresh clone or again.
import { pathToFileURL } from 'node:url';
import { build, tests } from './build.mjs';
import { log } from './steps.mjs';
import { ensureVenv } from './venv.mjs';

/** Returns what is missing, as reasons for people. */
export async function setup({ withTests = true, withServers = true } = {}) {
  const { nativeMissing } = await build();
  if (withTests) await tests();
  let serversMissing;
  if (withServers) {
    try {
      await ensureVenv({ log });
    } catch (error) {
      if (process.env.CI === 'true') throw error;
      serversMissing = error.message;
      log(`no Python servers: ${serversMissing}`);
    }
  }
  return { nativeMissing, serversMissing };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await setup();
