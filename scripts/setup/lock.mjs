// One at a time, across processes: test files run side by side, and one of them installs what all of them need.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Milliseconds for which a lock without an owner is of a process that is about to write its own name. */
const NAMELESS = 5_000;

/**
 * Runs `work` while no other process has the lock. A folder is made atomically, so it serves as one; a process that died
 * does not keep it.
 * @template T
 * @param {string} lock - the folder
 * @param {() => Promise<T>} work
 * @param {() => void} [onWait] - called once where another process has it
 * @returns {Promise<T>}
 */
export async function alone(lock, work, onWait = () => {}) {
  mkdirSync(dirname(lock), { recursive: true });
  for (let told = false; !make(lock); ) {
    if (!isHeld(lock)) {
      rmSync(lock, { recursive: true, force: true });
      continue;
    }
    if (!told) onWait();
    told = true;
    await new Promise((done) => setTimeout(done, 200));
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function make(lock) {
  try {
    mkdirSync(lock);
    writeFileSync(join(lock, 'pid'), String(process.pid));
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function isHeld(lock) {
  const owner = join(lock, 'pid');
  try {
    if (!existsSync(owner)) return Date.now() - statSync(lock).mtimeMs < NAMELESS;
    process.kill(Number(readFileSync(owner, 'utf8')), 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
