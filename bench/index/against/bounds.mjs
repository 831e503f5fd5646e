// The bounds on one set, measured in one run.
import { batchRecallsOf, FUNNEL_BATCHES, recallsOf, targetOf } from './against.mjs';

const LARGE = 100_000;
const HUGE = 200_000;
/** Our time at a recall over a million rows and more, as a share of the fastest peer's that reaches it. */
const MOST_AT = { 0.95: 0.5, 0.99: 0.2, 0.999: 0.3 };
/** Our build there, as a share of the fastest peer's that has codes, lists or a graph, on as many threads. */
const MOST_BUILD = 1 / 6;
/** Resident bytes as a share of the rows in float32: there, and below. */
const MOST_RESIDENT = { huge: 0.15, large: 0.35 };
/** Exact search there, as a multiple of the time in which memory gives 32 bytes a row. */
const MOST_READING = 4;

/** @returns {{ what: string, value?: number, most: number, met?: boolean, unit?: string }[]} */
export function boundsOf({ count, dim }, { lines, ratios, beside = [] }) {
  const mine = lines.find(({ ours, missing }) => ours && !missing);
  const ratio = (peer, what) => ratios.find((one) => one.peer === peer && one.what === what)?.ratio;
  const huge = count > HUGE;
  const found = [];
  const bound = (what, value, most, unit = '×') => {
    found.push({ what, value, most, unit, met: value === undefined ? undefined : value <= most });
  };

  // The bounds on exact search are about rows of 768 dims.
  const wide = dim === 768;
  if (wide) bound('exact ÷ faiss Panorama + PCA', ratio('faiss-panorama', 'exact'), panoramaBound(count));
  if (wide && !huge) bound('exact ÷ usearch exact', ratio('usearch-exact', 'exact'), 1 / 15);

  const target = targetOf(count);
  const graphs = lines.filter(({ kind, missing }) => kind === 'hnsw' && !missing);
  const rivals = huge ? graphs.filter(({ key }) => key === 'faiss-hnsw') : graphs;
  const against = rivals.map(({ key }) => ratio(key, 'funnel')).filter((value) => value !== undefined);
  const rival = huge ? 'faiss HNSW32' : 'the fastest HNSW';
  const most = huge ? 0.6 : count >= LARGE ? 0.5 : 0.25;
  bound(
    `funnel at recall ≥ ${target} ÷ ${rival} at its recall`,
    against.length ? Math.max(...against) : undefined,
    most,
  );

  for (const recall of recallsOf(count)) {
    const all = ratios.filter(({ what, target: at, reached }) => what === 'recall' && at === recall && reached);
    const worst = all.sort((a, b) => b.ratio - a.ratio)[0];
    const peer = worst === undefined ? 'which none reaches' : lines.find(({ key }) => key === worst.peer).label;
    bound(`funnel at recall ≥ ${recall} ÷ the fastest peer there, ${peer}`, worst?.ratio, huge ? MOST_AT[recall] : 1);
  }

  if (count >= LARGE) {
    const quickest = Math.min(...graphs.map(({ built }) => built.seconds));
    const build = mine && graphs.length ? mine.built.seconds / quickest : undefined;
    bound('build ÷ the quickest HNSW build, same threads', build, 1 / 15);
    const share = MOST_RESIDENT[huge ? 'huge' : 'large'];
    bound('resident bytes a row ÷ 4 dim', mine?.resident && mine.resident / count / (4 * dim), share);
  }
  if (huge) {
    const others = lines.filter(({ ours, kind, missing }) => !ours && kind !== 'exact' && !missing);
    const [first] = others.sort((a, b) => a.built.seconds - b.built.seconds);
    const build = mine && !mine.missing && first ? mine.built.seconds / first.built.seconds : undefined;
    const whose = first ? first.label : 'of which there is none';
    bound(`build ÷ the fastest peer’s but exact ones, same threads, ${whose}`, build, MOST_BUILD);
    bound('exact ÷ reading 32 bytes a row', ratios.find(({ what }) => what === 'reading')?.ratio, MOST_READING);
  }
  for (const { batch, ratio: value } of ratios.filter(({ what }) => what === 'batch')) {
    bound(`exact in batches of ${batch} ÷ IndexFlatIP’s, by query`, value, batch === 100 ? 1 / 10 : 1);
  }
  if (huge) {
    bound('build, seconds, on all cores', mine?.built.seconds, 300, 's');
    bound('most memory while building, GiB', mine?.built.peak && mine.built.peak / 2 ** 30, 8, 'GiB');
    bound('resident while searching, beyond Node’s own, GiB', mine?.resident && mine.resident / 2 ** 30, 1.2, 'GiB');
  }
  for (const target of huge ? batchRecallsOf(count) : []) {
    for (const batch of FUNNEL_BATCHES) {
      const all = ratios.filter(
        (one) => one.what === 'many' && one.batch === batch && one.target === target && one.reached,
      );
      const worst = all.sort((a, b) => b.ratio - a.ratio)[0];
      const peer = worst === undefined ? 'which none reaches' : lines.find(({ key }) => key === worst.peer).label;
      bound(`funnel in batches of ${batch} at recall ≥ ${target} ÷ the fastest peer’s, ${peer}`, worst?.ratio, 1);
    }
  }
  for (const { name, most, ratio: value } of beside) {
    if (most !== undefined) bound(`${name} ÷ the other build`, value, most);
  }
  return found;
}

function panoramaBound(count) {
  if (count >= LARGE) return 0.33;
  return count >= 65_000 ? 0.4 : 0.5;
}
