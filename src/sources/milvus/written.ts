/** Answers of Milvus to what was written. */
import { expected, FunnelError } from '../../core/errors.js';

/**
 * An answer without a status says nothing of the rows; one may list rows that were not written. Whether the status is a
 * refusal is for refusal() to say.
 *
 * @throws FunnelError BAD_RESPONSE, REFUSED
 */
export function checkWritten(answer: unknown, label: string): void {
  const { status, err_index: failed } = (answer ?? {}) as { status?: unknown; err_index?: unknown };
  if (typeof status !== 'object' || status === null) {
    throw expected('BAD_RESPONSE', 'an answer with a status', `a write to ${label}`, answer);
  }
  if (!Array.isArray(failed) || failed.length === 0) return;
  throw new FunnelError('REFUSED', `${label} did not write ${failed.length} of the rows`, { cause: answer });
}
