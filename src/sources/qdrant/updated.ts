/** Answers of Qdrant to what was written. */
import { expected } from '../../core/errors.js';

/**
 * Any other answer is of something in front of the server, such as a proxy, and nobody knows what became of the rows.
 *
 * @param answer as the REST client hands it on
 * @throws FunnelError BAD_RESPONSE
 */
export function checkUpdated(answer: unknown, label: string): void {
  const { status } = (answer ?? {}) as { status?: unknown };
  if (status === 'completed' || status === 'acknowledged' || status === 'wait_timeout') return;
  throw expected('BAD_RESPONSE', "an answer with the status 'completed'", `a write to ${label}`, answer);
}
