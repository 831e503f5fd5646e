/** The errors of files, in the one class of funnelvec. */
import { FunnelError, type FunnelErrorCode } from '../../core/errors.js';
import { isError } from '../../core/realm.js';

export function filesError(code: FunnelErrorCode, message: string, options?: { cause?: unknown }): FunnelError {
  return new FunnelError(code, message, options);
}

/** The error for a file that does not hold what was written. `section` is the part of the file, in words. */
export function corrupt(file: string, section: string, why: string, cause?: unknown): FunnelError {
  return filesError('CORRUPT', `Expected ${file} to be whole but its ${section} ${why}`, { cause });
}

/**
 * A failure of the system, told as ours; ours are passed on.
 *
 * @param remedy what helps where the system does not permit it
 */
export function diskError(doing: string, cause: unknown, remedy?: string): FunnelError {
  if (cause instanceof FunnelError) return cause;
  const message = isError(cause) ? cause.message : String(cause);
  if (remedy !== undefined && isForbidden(cause)) {
    return filesError('NOT_WRITABLE', `Expected permission to write for ${doing} but received ${message}: ${remedy}`, {
      cause,
    });
  }
  const what = isForbidden(cause) ? 'The system does not permit' : 'The disk failed while';
  const helps = isFull(cause) ? ': free some space there, then call again' : '';
  return filesError('DISK', `${what} ${doing}: ${message}${helps}`, { cause });
}

/** A disk, or a share of one, without space. */
const isFull = (error: unknown) => /^(ENOSPC|EDQUOT)$/.test(errorCodeOf(error) ?? '');

export function errorCodeOf(error: unknown): string | undefined {
  return (error as { code?: string } | undefined)?.code;
}

/** A read-only file system, or files of another user. */
export function isForbidden(error: unknown): boolean {
  return /^(EACCES|EPERM|EROFS)$/.test(errorCodeOf(error) ?? '');
}

export function lockLost(): FunnelError {
  return filesError('INDEX_LOCKED', 'Expected to be the writer of the index but another took its place (breakLock)');
}
