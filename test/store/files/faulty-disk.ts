/**
 * A disk that fails. It passes everything on to real files, so that reads see what a page cache would show, and remembers
 * beside them what a power loss would leave:
 *
 * - of a file, what was there at the last sync, and of everything written since, any version of each 512-byte sector and
 *   any of the lengths that the file has had;
 * - after a sync that failed, the same chosen at once, and for good: the kernel takes such pages for clean, and a later
 *   sync that succeeds says nothing about them;
 * - of a folder, any subset of the creations, renames and deletions since its last sync.
 *
 * LMDB writes its own file, beside this layer. Its power loss is modelled in power-loss.test.ts.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { type Disk, nodeDisk } from '#dist/store/files/disk.js';
import type { FileStep } from '#dist/store/files/step.js';
import type { Random } from '../../random.js';

const SECTOR = 512;

type Change = { at: number; bytes: Buffer } | { length: number };

interface SimulatedFile {
  durable: Buffer;
  /** Since the last sync. */
  changes: Change[];
}

type NameChange = { add: string; file: SimulatedFile } | { remove: string } | { from: string; to: string };

export class PowerLoss extends Error {}

export class FaultyDisk implements Disk {
  /** Called before each operation that changes anything; throws what the operation shall fail with. */
  before: (operation: string) => void = () => {};
  /** After the power is gone every operation fails. */
  dead = false;
  readonly #random: Random;
  readonly #names = new Map<string, SimulatedFile>();
  readonly #durableNames = new Map<string, SimulatedFile>();
  #nameChanges: NameChange[] = [];
  readonly #open = new Map<number, SimulatedFile>();

  /** All that is in the folder is taken to be safely there. */
  constructor(folder: string, random: Random) {
    this.#random = random;
    for (const name of fs.readdirSync(folder)) {
      const file = { durable: fs.readFileSync(join(folder, name)), changes: [] };
      this.#names.set(join(folder, name), file);
      this.#durableNames.set(join(folder, name), file);
    }
  }

  open(path: string, how: 'create' | 'write' | 'read'): FileStep<number> {
    return this.#step(how === 'create' ? 'create' : undefined, () => {
      const fd = nodeDisk.open(path, how).now();
      if (how === 'create') {
        const file: SimulatedFile = { durable: Buffer.alloc(0), changes: [] };
        this.#names.set(path, file);
        this.#nameChanges.push({ add: path, file });
      }
      this.#open.set(fd, this.#names.get(path)!);
      return fd;
    });
  }

  close(fd: number): FileStep<void> {
    return { now: () => nodeDisk.close(fd).now(), later: async () => nodeDisk.close(fd).now() };
  }

  size = (fd: number): number => nodeDisk.size(fd);

  read(fd: number, into: Uint8Array, position: number): FileStep<number> {
    return this.#step(undefined, () => nodeDisk.read(fd, into, position).now());
  }

  write(fd: number, bytes: Uint8Array, position: number): FileStep<void> {
    return this.#step('write', () => this.#write(fd, bytes, position));
  }

  /** Some of the bytes, and then no space. */
  writePart(fd: number, bytes: Uint8Array, position: number): void {
    this.#write(fd, bytes.subarray(0, this.#random.int(0, bytes.length)), position);
  }

  #write(fd: number, bytes: Uint8Array, position: number): void {
    nodeDisk.write(fd, bytes, position).now();
    this.#open.get(fd)!.changes.push({ at: position, bytes: Buffer.from(bytes) });
  }

  sync(fd: number): FileStep<void> {
    return this.#step(
      'sync',
      () => {
        const file = this.#open.get(fd)!;
        file.durable = apply(file, () => Number.MAX_SAFE_INTEGER);
        file.changes = [];
      },
      () => {
        const file = this.#open.get(fd)!;
        file.durable = this.#left(file);
        file.changes = [];
      },
    );
  }

  truncate(fd: number, bytes: number): FileStep<void> {
    return this.#step('truncate', () => {
      nodeDisk.truncate(fd, bytes).now();
      this.#open.get(fd)!.changes.push({ length: bytes });
    });
  }

  rename(from: string, to: string): FileStep<void> {
    return this.#step('rename', () => {
      nodeDisk.rename(from, to).now();
      this.#names.set(to, this.#names.get(from)!);
      this.#names.delete(from);
      this.#nameChanges.push({ from, to });
    });
  }

  unlink(path: string): FileStep<void> {
    return this.#step('unlink', () => {
      nodeDisk.unlink(path).now();
      this.#names.delete(path);
      this.#nameChanges.push({ remove: path });
    });
  }

  list = (folder: string): string[] => nodeDisk.list(folder);

  syncDir(folder: string): FileStep<void> {
    return this.#step('syncDir', () => {
      nodeDisk.syncDir(folder).now();
      for (const change of this.#nameChanges) applyName(this.#durableNames, change);
      this.#nameChanges = [];
    });
  }

  /** The files as a power loss now would leave them: name → contents. */
  image(): Map<string, Buffer> {
    const names = new Map(this.#durableNames);
    const mode = this.#random.int(0, 2);
    for (const change of this.#nameChanges) {
      if (mode === 0 || (mode === 1 && this.#random.chance(0.5))) applyName(names, change);
    }
    return new Map([...names].map(([path, file]) => [path.slice(path.lastIndexOf('/') + 1), this.#left(file)]));
  }

  /** The durable contents and any of what was written since. */
  #left(file: SimulatedFile): Buffer {
    const mode = this.#random.int(0, 3);
    const all = file.changes.length;
    const upTo = this.#random.int(0, all);
    const pick = [() => all, () => 0, () => upTo, () => this.#random.int(0, all)][mode]!;
    return apply(file, pick);
  }

  /** @param failed what happens when the operation is made to fail */
  #step<T>(operation: string | undefined, run: () => T, failed: () => void = () => {}): FileStep<T> {
    const now = () => {
      if (operation !== undefined) {
        if (this.dead) throw new PowerLoss();
        try {
          this.before(operation);
        } catch (error) {
          if (!(error instanceof PowerLoss)) failed();
          throw error;
        }
      }
      return run();
    };
    return {
      now,
      later: async () => {
        await new Promise(setImmediate);
        return now();
      },
    };
  }
}

/** Each sector as it was after the first `pick()` changes, and the length likewise. */
function apply({ durable, changes }: SimulatedFile, pick: () => number): Buffer {
  const versions = [durable];
  for (const change of changes) versions.push(applyOne(versions.at(-1)!, change));
  const at = () => versions[Math.min(pick(), changes.length)]!;
  const length = at().length;
  const result = Buffer.alloc(length);
  for (let from = 0; from < length; from += SECTOR) {
    result.set(at().subarray(from, Math.min(from + SECTOR, length)), from);
  }
  return result;
}

function applyOne(contents: Buffer, change: Change): Buffer {
  if ('length' in change) {
    const cut = Buffer.alloc(change.length);
    contents.copy(cut);
    return cut;
  }
  const result = Buffer.alloc(Math.max(contents.length, change.at + change.bytes.length));
  contents.copy(result);
  change.bytes.copy(result, change.at);
  return result;
}

function applyName(names: Map<string, SimulatedFile>, change: NameChange): void {
  if ('add' in change) names.set(change.add, change.file);
  else if ('remove' in change) names.delete(change.remove);
  else {
    const file = names.get(change.from);
    if (file === undefined) return; // its creation was lost
    names.delete(change.from);
    names.set(change.to, file);
  }
}
