/** A project of somebody else's: the package packed, installed from the tarball, and programs run against it. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** build/test/package → the repository. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

export class Consumer {
  readonly home: string;

  constructor(home = realpathSync(mkdtempSync(join(tmpdir(), 'funnelvec-')))) {
    this.home = home;
  }

  get installed(): string {
    return join(this.home, 'node_modules', 'funnelvec');
  }

  write(files: Record<string, string>): this {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.home, name)), { recursive: true });
      writeFileSync(join(this.home, name), text);
    }
    return this;
  }

  /** A second project with the same files, to spoil. */
  copy(): Consumer {
    const other = new Consumer();
    cpSync(this.home, other.home, { recursive: true });
    return other;
  }

  /** Runs a program to its end; a failure shows all that it printed. */
  node(args: string[], env: Record<string, string> = {}): string {
    return succeed(this.tryNode(args, env), args);
  }

  tryNode(args: string[], env: Record<string, string> = {}): SpawnSyncReturns<string> {
    return spawnSync(process.execPath, args, { cwd: this.home, env: userEnv(env), encoding: 'utf8', timeout: 120_000 });
  }

  npm(args: string[]): string {
    return npm(args, this.home);
  }

  remove(): void {
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The archives of a release: the main package, and that of this machine's platform where its binary was built. */
export interface Archives {
  main: string;
  own?: string;
}

/** Packs them as a release does, once for all tests, and puts them into a folder. */
export function packRelease(out: string): Archives {
  const args = [join(root, 'scripts/setup/archives.mjs'), out];
  const done = spawnSync(process.execPath, args, { cwd: root, env: userEnv(), encoding: 'utf8', timeout: 600_000 });
  const [main, own] = succeed(done, args).trim().split('\n');
  return { main: main!, own };
}

/** Puts packages where an installation has them, the main one and this platform's. */
export function unpackRelease({ main, own }: Archives, consumer: Consumer): void {
  unpack(main, consumer.installed);
  if (own !== undefined) unpackOwn(own, consumer);
}

/** The same for this platform's package alone; its folder. */
export function unpackOwn(own: string, consumer: Consumer): string {
  const name = basename(own).replace(/^funnelvec-(.*)-\d+\.\d+\.\d+.*$/, '$1');
  return unpack(own, join(consumer.home, 'node_modules', '@funnelvec', name));
}

function unpack(archive: string, folder: string): string {
  mkdirSync(folder, { recursive: true });
  const args = ['-xzf', archive, '-C', folder, '--strip-components=1'];
  succeed(spawnSync('tar', args, { encoding: 'utf8' }), ['tar', ...args]);
  return folder;
}

/** The environment that the user of a package has, without what `npm test` and node:test put there. */
export function userEnv(env: Record<string, string> = {}): NodeJS.ProcessEnv {
  const ours = /^(npm_|NODE_|FUNNELVEC_|INIT_CWD$)/i;
  const kept = Object.entries(process.env).filter(([name]) => !ours.test(name));
  return { ...Object.fromEntries(kept), ...env };
}

export function npm(args: string[], cwd: string): string {
  const windows = process.platform === 'win32';
  const options = { cwd, env: userEnv(), encoding: 'utf8', shell: windows, timeout: 600_000 } as const;
  return succeed(spawnSync(windows ? 'npm.cmd' : 'npm', args, options), ['npm', ...args]);
}

function succeed(done: SpawnSyncReturns<string>, args: string[]): string {
  if (done.error) throw done.error;
  if (done.status === 0) return done.stdout;
  throw new Error(`${args.join(' ')} ended with ${done.signal ?? done.status}:\n${done.stdout}\n${done.stderr}`);
}

/** Paths of all files, with forward slashes. */
export function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) =>
      relative(folder, join(entry.parentPath ?? entry.path, entry.name))
        .split(sep)
        .join('/'),
    )
    .sort();
}

/** A copy of a folder whose files are not to be written to: hard links, where the file system has them. */
export function linkTree(from: string, to: string, keep: (path: string, to: string) => boolean = () => true): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (!keep(source, target)) continue;
    if (entry.isDirectory()) linkTree(source, target, keep);
    else if (entry.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
    else {
      try {
        linkSync(source, target);
      } catch {
        copyFileSync(source, target);
      }
    }
  }
}
