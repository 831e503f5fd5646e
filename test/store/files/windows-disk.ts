/**
 * A disk with the manners of Windows: what somebody has open is neither removed nor renamed, nor is anything renamed to it. Whoever
 * opens files by it, in one process, is somebody.
 */
import { type Disk, nodeDisk } from '#dist/store/files/disk.js';
import { type FileStep, instant } from '#dist/store/files/step.js';

export class WindowsDisk implements Disk {
  readonly #names = new Map<number, string>();
  /** Removals that failed, by name. */
  readonly refused: string[] = [];

  /** Whether somebody has it open. */
  isOpen(path: string): boolean {
    return [...this.#names.values()].includes(path);
  }

  open(path: string, how: 'create' | 'write' | 'read'): FileStep<number> {
    return instant(() => {
      const fd = nodeDisk.open(path, how).now();
      this.#names.set(fd, path);
      return fd;
    });
  }

  close(fd: number): FileStep<void> {
    return instant(() => {
      this.#names.delete(fd);
      nodeDisk.close(fd).now();
    });
  }

  rename(from: string, to: string): FileStep<void> {
    return instant(() => {
      this.#check(from, 'EBUSY');
      this.#check(to, 'EPERM');
      nodeDisk.rename(from, to).now();
    });
  }

  unlink(path: string): FileStep<void> {
    return instant(() => {
      this.#check(path, 'EBUSY');
      nodeDisk.unlink(path).now();
    });
  }

  /** Throws where somebody has it open. */
  #check(path: string, code: string): void {
    if (!this.isOpen(path)) return;
    this.refused.push(path);
    throw Object.assign(new Error(`${code}: resource busy or locked, '${path}'`), { code, syscall: 'unlink', path });
  }

  /** Folders cannot be synced. */
  syncDir(): FileStep<void> {
    return instant(() => {});
  }

  size = nodeDisk.size;
  read = nodeDisk.read;
  write = nodeDisk.write;
  sync = nodeDisk.sync;
  truncate = nodeDisk.truncate;
  list = nodeDisk.list;
}
