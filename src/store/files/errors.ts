/** The errors of files, in the one class of funnelvec. */
import { FunnelError, type FunnelErrorCode } from '../../errors.js';

export function filesError(code: FunnelErrorCode, message: string, options?: { cause?: unknown }): FunnelError {
  return new FunnelError(code, message, options);
}

/** What was read is not what was written. `section` is the part of the file, in words. */
export function corrupt(file: string, section: string, why: string, cause?: unknown): FunnelError {
  return filesError('CORRUPT', `Expected ${file} to be whole but its ${section} ${why}`, { cause });
}

/** A failure of the system, told as ours; ours are passed on. */
export function diskError(doing: string, cause: unknown): FunnelError {
  if (cause instanceof FunnelError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  return filesError('DISK', `The disk failed while ${doing}: ${message}`, { cause });
}
