/** In place of long-reads.ts in browsers and on the edge, where nothing reads an index for minutes. */

export interface CheckOptions {
  onProgress?: never;
  signal?: never;
}

export class LongReads {
  readonly busy: boolean = false;

  async close(): Promise<void> {}
}
