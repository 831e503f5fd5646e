// A data folder that one run leaves to the next.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Undefined while another process has the folder. Complete is what was closed in good order; anything else is emptied.
 */
export function claimDir(dir) {
  const lock = `${dir}.lock`;
  const stamp = path.join(dir, 'complete');
  const data = path.join(dir, 'data');
  mkdirSync(path.dirname(dir), { recursive: true });
  if (!takeLock(lock)) return undefined;

  const wipe = () => {
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
    mkdirSync(data, { recursive: true });
  };
  const release = () => rmSync(lock, { force: true });
  process.once('exit', release);
  const complete = existsSync(stamp);
  if (!complete) wipe();
  return {
    data,
    complete,
    wipe,
    /** Call when the server has closed its files. */
    seal: () => writeFileSync(stamp, ''),
    release() {
      process.removeListener('exit', release);
      release();
    },
  };
}

function takeLock(lock) {
  if (existsSync(lock) && !alive(Number(readFileSync(lock, 'utf8')))) rmSync(lock, { force: true });
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function alive(pid) {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
