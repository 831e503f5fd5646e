/** The command lines of `funnelvec backup`, `verify`, `compact` and `stats`: an embedded index, operated. */
import type { Command } from 'commander';
import type { CheckProgress } from '../../store/files/verify-types.js';
import type { FunnelIndex } from '../../store/funnel-index.js';
import type { OpenIndexOptions } from '../../store/types.js';
import { EXIT } from '../exit.js';
import { type Io, jsonText, print, printJson } from '../io.js';
import { bytes, count } from '../text.js';
import type { Context } from './context.js';

interface Options {
  breakLock?: boolean;
}

const JSON_OPTION = ['--json', 'one JSON document on stdout'] as const;

export function addBackup(command: Command, { io }: Context): void {
  command.option(...JSON_OPTION).action(async (path: string, to: string) => {
    const result = await reading(path, (index) =>
      shown(io, 'backup', (onProgress) => index.backup(to, { onProgress, signal: io.stop })),
    );
    if (io.json) printJson(io, { to, ...result });
    else print(io, `${to} has ${count(result.rows)} rows, ${bytes(result.bytes)}.`);
  });
}

export function addVerify(command: Command, { io }: Context): void {
  command.option(...JSON_OPTION).action(async (path: string) => {
    const result = await reading(path, (index) =>
      shown(io, 'verify', (onProgress) => index.verify({ onProgress, signal: io.stop })),
    );
    if (result.problems.length > 0) io.exitCode = EXIT.failed;
    if (io.json) return printJson(io, result);
    for (const { file, message } of result.problems) print(io, `${file}: ${message}`);
    if (result.problems.length === 0) {
      print(io, `${count(result.rows)} rows, ${bytes(result.bytes)}: all as they were written.`);
    }
  });
}

export function addCompact(command: Command, { io }: Context): void {
  command
    .option('--break-lock', 'though another writer is registered that no system can tell to be dead')
    .option(...JSON_OPTION)
    .action(async (path: string, { breakLock = false }: Options) => {
      const index = await opened(path, { breakLock });
      try {
        const before = index.stats();
        const { startProgress } = await import('../progress.js');
        const progress = await startProgress(io, 'compact', 'rows');
        try {
          await index.optimize({
            onProgress: ({ phase, done, total }) => progress.step(phase, total === 0 ? 1 : done / total),
          });
        } finally {
          progress.stop();
        }
        const after = index.stats();
        if (io.json) printJson(io, { before: sizesOf(before), after: sizesOf(after) });
        else {
          const was = `${bytes(totalOf(before))} before`;
          print(io, `${count(after.count)} rows, ${count(after.coded)} with codes, ${bytes(totalOf(after))} (${was}).`);
        }
      } finally {
        await index.close();
      }
    });
}

export function addStats(command: Command, { io }: Context): void {
  command.option(...JSON_OPTION).action(async (path: string) => {
    const stats = await reading(path, async (index) => index.stats());
    if (io.json) return printJson(io, stats);
    for (const [name, value] of Object.entries(stats)) {
      print(io, `${name}: ${typeof value === 'object' ? jsonText(value) : value}`);
    }
  });
}

type Stats = ReturnType<FunnelIndex['stats']>;

function sizesOf({ count: rows, coded, dead, files }: Stats) {
  return { rows, coded, dead, files };
}

function totalOf({ files }: Stats): number {
  return files.rows + files.segments + files.store;
}

/** Loaded now: the command is to start quickly. */
async function opened(path: string, options: OpenIndexOptions & { readOnly?: boolean }): Promise<FunnelIndex> {
  return (await import('../../store/funnel-index.js')).FunnelIndex.open(path, options);
}

/** Beside whoever writes it. */
async function reading<T>(path: string, run: (index: FunnelIndex) => Promise<T>): Promise<T> {
  const index = await opened(path, { readOnly: true });
  try {
    return await run(index);
  } finally {
    await index.close();
  }
}

async function shown<T>(
  io: Io,
  label: string,
  run: (told: (progress: CheckProgress) => void) => Promise<T>,
): Promise<T> {
  const { startProgress } = await import('../progress.js');
  const progress = await startProgress(io, label, 'bytes');
  try {
    return await run(({ done, total }) => progress.step(`${bytes(done)} of ${bytes(total)}`, done / total));
  } finally {
    progress.stop();
  }
}
