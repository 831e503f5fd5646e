/** In place of writers.ts in browsers and on the edge, where an index has no other writer. */

export interface Writer {
  revoke(): boolean;
}
