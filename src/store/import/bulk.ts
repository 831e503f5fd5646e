/** Elasticsearch's bulk format, in which lines that say what to do alternate with documents. */

const ACTIONS = new Set(['index', 'create', 'update', 'delete']);
/** Keys that an action may have beside names that begin with an underscore. */
const META = new Set(
  'routing version version_type if_seq_no if_primary_term pipeline require_alias dynamic_templates retry_on_conflict'.split(
    ' ',
  ),
);

/** The action that a first line states, where it is one. */
export function bulkAction(row: Record<string, unknown>): string | undefined {
  const keys = Object.keys(row);
  const action = keys[0]!;
  if (keys.length !== 1 || !ACTIONS.has(action)) return undefined;
  const meta = row[action];
  if (typeof meta !== 'object' || meta === null || Array.isArray(meta)) return undefined;
  return Object.keys(meta).every((key) => key.startsWith('_') || META.has(key)) ? action : undefined;
}

/** The remedy that makes rows of it. */
export const BULK_REMEDY =
  "`jq -nc 'inputs as $action | input + {_id: $action[]._id}'` makes one row of an action and its document";
