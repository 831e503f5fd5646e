/** A simulated day, short: `npm run simulate` has the long one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SEED } from '../random.js';
import { simulate } from './simulation.js';

/** 24 hours, some 10 s of checks on top. */
const MINUTES = Number(process.env['FUNNELVEC_SIMULATE_MINUTES'] ?? 0.35);

describe('a simulated day', () => {
  it('of writes, deletes, expiry, syncs, builds, kills and readers loses nothing, and nothing grows', async () => {
    const isLong = MINUTES >= 5;
    const options = { minutes: MINUTES, seed: SEED, rows: isLong ? 40_000 : 6000, readers: isLong ? 2 : 1 };
    const { faults, counts, samples } = await simulate(options);
    assert.deepEqual(faults, [], `seed ${SEED}`);
    // A busy machine skips hours, and with them some of the rest.
    for (const what of ['upsert', 'expire', 'sync', 'checks', 'probes', 'open']) {
      assert.ok(counts[what]! > 0, `no ${what} came: ${JSON.stringify(counts)}`);
    }
    assert.ok((counts['kill -9'] ?? 0) + (counts['shutdown'] ?? 0) > 0, 'nobody was ended');
    assert.ok(
      samples.some(({ writer }) => (writer?.recall.wanted ?? 0) > 0),
      'nothing was measured',
    );
  });
});
