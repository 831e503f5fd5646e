/** A message of the channels `funnelvec:query`, `funnelvec:write`, `funnelvec:build` and `funnelvec:sync`, when the call has ended. */
export interface DiagnosticEvent {
  /** The call, `FunnelIndex.query` say, or `automatic` for work that nobody asked for. */
  operation: string;
  /** The folder of the index, or the name of the source. */
  target: string;
  /** When it began, in milliseconds since 1970. */
  began: number;
  /** Milliseconds. */
  ms: number;
  /** The error, where it failed. */
  error?: unknown;
  /** Requests of a query. */
  queries?: number;
  /** Hits of all requests of a query. */
  hits?: number;
  /** Rows that were written, deleted or changed; all rows of a build or a sync. */
  rows?: number;
  /** Rows of a write that took the place of one with their id. */
  replaced?: number;
  /** Rows of a sync that were new or other than here. */
  written?: number;
  /** Rows that the collection of a sync does not have any more. */
  deleted?: number;
}
