/** Makes values of shared rows NaN and good again, as quickly as it can, until it is told to stop. */
import { workerData } from 'node:worker_threads';

const { rows, places, stop } = workerData as { rows: Float32Array; places: number[]; stop: Int32Array };
const good = places.map((at) => rows[at]!);
while (Atomics.load(stop, 0) === 0) {
  for (let i = 0; i < 64; i++) {
    for (const at of places) rows[at] = Number.NaN;
    places.forEach((at, p) => {
      rows[at] = good[p]!;
    });
  }
}
