/** A process that fuzzes; run.mjs watches it. A line "s <session> <calls>" before each session, "f <json>" for a finding. */
import { writeSync } from 'node:fs';
import { fuzz } from './fuzz.js';

const [seed, calls, only, kinds] = process.argv.slice(2) as [string, string, string, string];
const line = (text: string) => void writeSync(1, `${text}\n`);
const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});
let next = 0;

try {
  const { calls: done, sessions } = await fuzz({
    seed: Number(seed),
    calls: Number(calls),
    only: only === '' ? undefined : Number(only),
    kinds: kinds === '' ? undefined : kinds.split(','),
    onSession(session, made) {
      line(`s ${session} ${made}`);
      if (made < next) return;
      next = made + 10_000;
      collect();
      line(`m ${made} ${process.memoryUsage.rss()}`);
    },
  });
  collect();
  line(`m ${done} ${process.memoryUsage.rss()}`);
  line(`d ${done} ${sessions}`);
} catch (error) {
  line(`f ${JSON.stringify((error as Error).message)}`);
  process.exitCode = 1;
}
// Handles that a finding left open must not keep the process.
setTimeout(() => process.exit(), 2000).unref();
