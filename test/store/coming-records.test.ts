/** Records of a row file that come into memory while others are written behind them, or are read by calls that do not wait. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';
import type { RowImage } from '#dist/store/files/row-image.js';
import { partsOf } from '#dist/store/parts.js';
import { ComingRecords } from '#dist/store/warm-records.js';
import { Random, SEED } from '../random.js';

const [DIM, COUNT] = [16, 40];

describe('records that come into memory', () => {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-coming-'));
  let index: FunnelIndex;
  let image: RowImage;
  let release: () => void;

  before(async () => {
    const random = new Random(SEED);
    index = await FunnelIndex.create(join(folder, 'index'), { dim: DIM, autoOptimize: false, durability: 'relaxed' });
    await index.upsert(Array.from({ length: COUNT }, (_, id) => ({ id, vector: random.vector(DIM) })));
    const { images, done } = partsOf(index).live.useImages();
    [image, release] = [images[0]!, done];
  });

  after(async () => {
    release();
    await index.close();
    rmSync(folder, { recursive: true, force: true });
  });

  for (let written = 0; written < 3; written++) {
    it(`are all there when rows are written before step ${written} of reading them`, () => {
      let known = COUNT - 10;
      const coming = ComingRecords.of(image, COUNT, () => known)!;
      const steps = coming.read(partsOf(index).files, () => true);
      let at = 0;
      for (let step = steps.next(); step.done !== true; at++) {
        if (at === written) known = COUNT;
        step = steps.next(step.value.now());
      }
      assert.ok(coming.isDone && !coming.hasFailed);
      assert.ok(at > written, `${at} steps`);
      const read = coming.count * image.stride;
      assert.deepEqual(coming.records.subarray(0, read), image.records!.subarray(0, read));
    });
  }

  for (let calls = 0; calls < 3; calls++) {
    it(`are all there when a call reads some before step ${calls} of reading them`, () => {
      const coming = ComingRecords.of(image, COUNT, () => COUNT)!;
      const steps = coming.read(partsOf(index).files, () => true);
      let at = 0;
      for (let step = steps.next(); step.done !== true; at++) {
        if (at === calls) coming.readNow();
        step = steps.next(step.value.now());
      }
      assert.ok(at > calls, `${at} steps`);
      assert.ok(coming.isDone && !coming.hasFailed);
      assert.deepEqual(coming.records, image.records!.subarray(0, COUNT * image.stride));
    });
  }
});
