/** A change of model by a link: who opens it while it is exchanged gets one whole index, and those that are open go on. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { rename, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';

const ROWS = 200;
const MODELS = { a: 6, b: 10 } as const;
type Model = keyof typeof MODELS;
const folder = mkdtempSync(join(tmpdir(), 'funnelvec-switch-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const link = join(folder, 'films');

const vectorOf = (model: Model, id: number) =>
  Float32Array.from({ length: MODELS[model] }, (_, d) => Math.sin(id * (d + 1) + d));

async function fill(model: Model): Promise<void> {
  const index = await FunnelIndex.create(join(folder, model), { dim: MODELS[model] });
  const ids = Array.from({ length: ROWS }, (_, id) => id);
  await index.upsert(ids.map((id) => ({ id, vector: vectorOf(model, id), payload: { model } })));
  await index.close();
}

async function point(model: Model): Promise<void> {
  await symlink(join(folder, model), `${link}.next`, 'junction');
  await rename(`${link}.next`, link);
}

/** Answers of one model alone, whichever the index is of. */
async function search(index: FunnelIndex, id: number): Promise<Model> {
  const model: Model = index.dim === MODELS.a ? 'a' : 'b';
  assert.equal(index.dim, MODELS[model]);
  const { hits } = await index.query({ vector: vectorOf(model, id), limit: 3, withPayload: true, mode: 'exact' });
  assert.equal(hits[0]!.id, id);
  assert.ok(hits.every(({ payload }) => (payload as { model: Model }).model === model));
  return model;
}

describe('a link to an index', () => {
  it('is exchanged while it is opened and searched, without a failure or an answer of two models', async () => {
    await fill('a');
    await point('a');
    const early = await FunnelIndex.open(link, { readOnly: true });
    const filling = fill('b');
    for (let id = 0; id < 10; id++) assert.equal(await search(early, id), 'a'); // beside it
    await filling;
    let over = false;
    const seen = { a: 0, b: 0 };
    const users = Array.from({ length: 4 }, async (_, user) => {
      for (let id = user; !over; id = (id + 1) % ROWS) {
        const index = await FunnelIndex.open(link, { readOnly: true, threads: 1 });
        seen[await search(index, id)]++;
        await index.close();
        assert.equal(await search(early, id), 'a');
      }
    });
    for (let turn = 0; turn < 10 || seen.a < 3 || seen.b < 3; turn++) {
      await point(turn % 2 === 0 ? 'b' : 'a');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    over = true;
    await Promise.all(users);
    await point('b');
    // The one that is meant takes writes through the link, while the other is still read.
    const writer = await FunnelIndex.open(link);
    await writer.setPayload(1, { seen: true });
    assert.equal(await search(writer, 1), 'b');
    assert.equal(await search(early, 1), 'a');
    await writer.close();
    await early.close();
  });
});
