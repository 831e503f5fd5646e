/** kill -9 while many callers write a few rows each: what any of them heard of is there, and each write wholly or not at all. */
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';
import { scratchFolder } from './files/model.js';
import { apply, DIM, type Intent, type State, vectorOf } from './kill-index-model.js';
import { killed } from './killed.js';

const ROUNDS = Math.ceil(Number(process.env['FUNNELVEC_KILL_ROUNDS'] ?? 200) / 40);
const CHILD = fileURLToPath(new URL('./group-kill-child.js', import.meta.url));
const WRITERS = 12;
const IDS_EACH = 20;

type Line = { writer: number; intent: Intent } | { writer: number; commit: number };

const scratch = scratchFolder();
after(scratch.remove);

it(`kill -9 at any of ${ROUNDS} moments of small writes that share commits loses none that was acknowledged`, async () => {
  const random = new Random(SEED);
  const path = `${scratch.path}/index`;
  await (await FunnelIndex.create(path, { dim: DIM })).close();
  const states: State[] = Array.from({ length: WRITERS }, () => new Map());
  let shared = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const intents = new Map<number, Intent>();
    const acknowledged = new Map<number, number>();
    const afterMs = random.int(0, 300);
    const args = [CHILD, path, round + 1, WRITERS, IDS_EACH].map(String);
    // A disk may take longer for its first sync than some writers live: every other one dies only after a commit.
    const isDue = (said: string) => round % 2 === 0 || said.includes('"commit"');
    for (const line of await killed<Line>(args, (said) => (isDue(said) ? afterMs : undefined))) {
      if ('intent' in line) intents.set(line.writer, line.intent);
      else {
        const intent = intents.get(line.writer)!;
        states[line.writer] = apply(states[line.writer]!, intent);
        intents.delete(line.writer);
        // Deletions may have found nothing to commit.
        if ('upsert' in intent) acknowledged.set(line.commit, (acknowledged.get(line.commit) ?? 0) + 1);
      }
    }
    shared += [...acknowledged.values()].filter((writes) => writes > 1).length;
    const index = await FunnelIndex.open(path, { autoOptimize: false });
    for (const [writer, state] of states.entries()) {
      const intent = intents.get(writer);
      const maybe = intent === undefined ? state : apply(state, intent);
      const found = [state, maybe].find((one) => isThere(index, writer, one));
      assert.ok(found !== undefined, `round ${round}, writer ${writer}, seed ${SEED}`);
      states[writer] = found;
    }
    await index.close();
  }
  assert.ok(shared > 0, 'no two writes ever shared a commit');
});

/** Whether of a writer's ids exactly these rows are there. */
function isThere(index: FunnelIndex, writer: number, state: State): boolean {
  const ids = Array.from({ length: IDS_EACH }, (_, i) => writer * IDS_EACH + i);
  return index.getSync(ids).every((point, i) => {
    const version = state.get(ids[i]!);
    if (point === undefined || version === undefined) return point === undefined && version === undefined;
    return vectorOf(version).every((value, j) => Object.is(value, point.vector[j]));
  });
}
