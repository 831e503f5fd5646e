// A change of model while searches go on: an index of the new model beside the old one, a link that leads to the one that is
// meant, and one assignment. On disk an index needs the package lmdb; on Windows links are junctions, with whole paths.
import { mkdtempSync } from 'node:fs';
import { rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FunnelIndex } from 'funnelvec/store';

/** A value that searches use, exchanged at once; the one that was there is closed when its last search has ended. */
class Current {
  #now;

  constructor(store) {
    this.#now = { store, uses: 0 };
  }

  async use(run) {
    const mine = this.#now;
    mine.uses++;
    try {
      return await run(mine.store);
    } finally {
      mine.uses--;
      if (mine.uses === 0) mine.left?.();
    }
  }

  async switchTo(store) {
    const old = this.#now;
    this.#now = { store, uses: 0 };
    if (old.uses > 0) await new Promise((resolve) => (old.left = resolve));
    await old.store.index.close();
  }
}

const folder = mkdtempSync(join(tmpdir(), 'funnelvec-switch-'));
const link = join(folder, 'films');

/** Two models, which do not understand each other. */
const models = { small: 8, large: 16 };
const embedderOf = (model) => (text) =>
  Float32Array.from({ length: models[model] }, (_, d) => Math.sin(text.length * (d + 1) + text.charCodeAt(0)));
const texts = Array.from({ length: 300 }, (_, i) => `film ${'x'.repeat(i)}`);

/** Fills an index of its own; searches of another go on. */
async function fill(name, model) {
  const embed = embedderOf(model);
  const index = await FunnelIndex.create(join(folder, name), { dim: models[model] });
  await index.upsert(texts.map((text, id) => ({ id, vector: embed(text), payload: { model } })));
  await index.close();
}

/** From now on who opens the link gets this one. */
async function point(name) {
  await symlink(join(folder, name), `${link}.next`, 'junction');
  await rename(`${link}.next`, link);
}

const opened = async (model) => ({ index: await FunnelIndex.open(link, { readOnly: true }), embed: embedderOf(model) });

await fill('films-a', 'small');
await point('films-a');
const current = new Current(await opened('small'));

const seen = { small: 0, large: 0, failed: 0 };
let over = false;
const users = Array.from({ length: 8 }, async (_, user) => {
  for (let i = user; !over; i++) {
    try {
      // Index and embedder are of one model, since they come together.
      const found = await current.use(({ index, embed }) =>
        index.query({ vector: embed(texts[i % texts.length]), limit: 1, withPayload: true }),
      );
      seen[found.hits[0].payload.model]++;
    } catch {
      seen.failed++;
    }
  }
});

await fill('films-b', 'large');
await point('films-b');
await current.switchTo(await opened('large'));
while (seen.large < 100) await new Promise((resolve) => setTimeout(resolve, 1));
over = true;
await Promise.all(users);
console.log(seen.small > 0, seen.large >= 100, seen.failed);
// => true true 0

await current.use(({ index }) => index.close());
await rm(folder, { recursive: true });
