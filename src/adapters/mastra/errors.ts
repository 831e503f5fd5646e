/** Errors as Mastra's own stores throw them: a MastraError, with the FunnelError as its cause. */
import { MastraError } from '@mastra/core/error';
import { FunnelError, type FunnelErrorCode } from '../../core/errors.js';

/** As the ids of Mastra's errors have them. */
export type Operation =
  | 'CONSTRUCTOR'
  | 'QUERY'
  | 'UPSERT'
  | 'CREATE_INDEX'
  | 'LIST_INDEXES'
  | 'DESCRIBE_INDEX'
  | 'DELETE_INDEX'
  | 'UPDATE_VECTOR'
  | 'DELETE_VECTOR'
  | 'DELETE_VECTORS'
  | 'CLOSE';

/** Failures of disks, servers and files; all else can be put right by who called. */
const THIRD_PARTY: ReadonlySet<FunnelErrorCode> = new Set([
  ...(['DISK', 'CORRUPT', 'UNREACHABLE', 'UNAVAILABLE', 'RATE_LIMITED', 'TIMEOUT', 'REFUSED', 'BAD_RESPONSE'] as const),
]);

/** The words that Mastra's stores have for some mistakes, in place of our code. */
const statuses = new WeakMap<FunnelError, string>();

/** The same error, which is told by this word of Mastra's in place of its code. */
export function calledByMastra(status: string, error: FunnelError): FunnelError {
  statuses.set(error, status);
  return error;
}

/** `MASTRA_VECTOR_FUNNELVEC_<operation>_<word of Mastra's, or our code>`; one of Mastra's own stays as it is. */
export function mastraError(operation: Operation, indexName: unknown, error: unknown): MastraError {
  if (error instanceof MastraError) return error;
  const ours = error instanceof FunnelError ? error : undefined;
  const status = ours === undefined ? 'FAILED' : (statuses.get(ours) ?? ours.code);
  return new MastraError(
    {
      id: `MASTRA_VECTOR_FUNNELVEC_${operation}_${status}` as Uppercase<string>,
      text: ours?.message ?? String((error as Error | undefined)?.message ?? error),
      domain: 'MASTRA_VECTOR',
      category: ours === undefined ? 'SYSTEM' : THIRD_PARTY.has(ours.code) ? 'THIRD_PARTY' : 'USER',
      details: {
        ...(typeof indexName === 'string' && { indexName }),
        ...(ours !== undefined && { code: ours.code }),
      },
    },
    error,
  );
}
