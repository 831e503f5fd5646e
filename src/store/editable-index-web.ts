/** In place of editable-index.ts in browsers and on the edge, where an index is shipped rather than kept. */
import { FunnelError } from '../core/errors.js';
import { MirrorIndex } from './mirror-index.js';

function refused(): never {
  const remedy = 'upsert() the rows with their new payloads here';
  throw new FunnelError('UNSUPPORTED', `Expected Node.js for a change of payloads in place: ${remedy}`);
}

/** Its calls are refused. @throws FunnelError UNSUPPORTED */
export abstract class EditableIndex<_Payload> extends MirrorIndex {}

for (const name of ['setPayload', 'overwritePayload', 'deletePayloadKeys']) {
  Object.assign(EditableIndex.prototype, { [name]: async () => refused(), [`${name}Sync`]: refused });
}
