/** In place of pool.ts in browsers and on the edge: an index has no threads there, whoever wants one calls it in a worker. */

export class Pool {
  static readonly available: boolean = false;
  closed = false;
  readonly isBuilding: boolean = false;

  constructor(
    readonly size: number,
    _setup: unknown,
  ) {}

  prepare(): void {}

  async close(): Promise<void> {
    this.closed = true;
  }
}
