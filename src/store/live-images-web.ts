/** In place of live-images.ts in browsers and on the edge, where all rows are in memory, and their images show them there. */
import type { RowFile } from './files/row-files.js';
import type { RowImage } from './files/row-image.js';
import type { Steps } from './files/step.js';

export class LiveImages {
  all: RowImage[] = [];
  readonly isCold = false;
  declare expectedCodes: number;

  // biome-ignore lint/complexity/noUselessConstructor: it takes what the other takes
  constructor(..._given: unknown[]) {}

  get resident(): number {
    return this.all.reduce((sum, { count, stride }) => sum + count * stride, 0);
  }

  follow(files: readonly RowFile[], ..._how: unknown[]): void {
    this.all = files.map(({ bytes, ordinals, ...file }) => ({
      ...file,
      ordinals,
      records: bytes!.subarray(file.headerBytes),
    }));
  }

  /** There is nothing to read. */
  *warm(..._asked: unknown[]): Steps<void> {}

  warmNow(_user: unknown): void {}
}
