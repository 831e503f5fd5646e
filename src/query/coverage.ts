/** Whether a part of payloads has all that a request looks at. */
import type { FilterNode, Step } from './filter/ast.js';
import { parsePath } from './filter/path.js';
import type { PayloadSelector } from './payload.js';

type Steps = readonly Step[];

/** The first path of a filter that payloads cut to `kept` may lack; undefined where they have all of it. */
export function uncovered(kept: PayloadSelector, node: FilterNode | undefined): string | undefined {
  if (kept === true || node === undefined) return undefined;
  const missing = pathsOf(node, []).find((steps) => !coversPath(kept, steps));
  return missing?.map(({ key, each }) => (each ? `${key}[]` : key)).join('.');
}

/** Whether `wanted` of a payload can be cut out of what `kept` left of it. */
export function coversSelection(kept: PayloadSelector, wanted: PayloadSelector): boolean {
  if (kept === true || wanted === false) return true;
  if (kept === false || wanted === true) return false;
  if ('exclude' in wanted) {
    return 'exclude' in kept && kept.exclude.every((path) => wanted.exclude.includes(path));
  }
  const paths = 'include' in wanted ? wanted.include : wanted;
  return paths.every((path) => coversPath(kept, parsePath(path, 'withPayload').steps));
}

/** Whether all that lies under a path is there. */
export function coversPath(kept: PayloadSelector, steps: Steps): boolean {
  if (typeof kept === 'boolean') return kept;
  const lists = (paths: readonly string[]) => paths.map((path) => parsePath(path, 'withPayload').steps);
  if ('exclude' in kept) {
    return !lists(kept.exclude).some((left) => sameKeys(left, steps, Math.min(left.length, steps.length)));
  }
  return lists('include' in kept ? kept.include : kept).some(
    (own) =>
      own.length <= steps.length &&
      sameKeys(own, steps, own.length) &&
      own.every(({ each }, i) => each === steps[i]!.each || (!each && i === own.length - 1)),
  );
}

function sameKeys(a: Steps, b: Steps, count: number): boolean {
  return a.slice(0, count).every(({ key }, i) => key === b[i]!.key);
}

/** From the payload inwards, in a nested condition too. */
function pathsOf(node: FilterNode, outer: Steps): Steps[] {
  switch (node.op) {
    case 'and':
    case 'or':
    case 'atLeast':
      return node.nodes.flatMap((one) => pathsOf(one, outer));
    case 'not':
      return pathsOf(node.node, outer);
    case 'ids':
    case 'slice':
      return [];
    case 'nested': {
      const own = [...outer, ...node.path.steps];
      const inner = pathsOf(node.node, own);
      return inner.length > 0 ? inner : [own];
    }
    default:
      return [[...outer, ...node.path.steps]];
  }
}
