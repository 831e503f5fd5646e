// Everything that tests and demo need, on a fresh clone or again.
import { pathToFileURL } from 'node:url';
import { build, tests } from './build.mjs';
import { log } from './steps.mjs';
import { ensureVenv } from './venv.mjs';

/** Returns what is missing, as reasons for people. */
export async function setup({ withTests = true, withServers = true } = {}) {
  const building = build();
  // Packages of Python come while those of npm do.
  const servers = withServers ? ensureVenv({ log }).catch((error) => ({ error })) : {};
  const { nativeMissing } = await building;
  if (withTests) await tests();
  const { error } = await servers;
  if (error && process.env.CI === 'true') throw error;
  const serversMissing = error?.message;
  if (error) log(`no Python servers: ${serversMissing}`);
  return { nativeMissing, serversMissing };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await setup();
