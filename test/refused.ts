import assert from 'node:assert/strict';
import { FunnelError, type FunnelErrorCode } from 'funnelvec';

/** For assert.throws() and assert.rejects(): a FunnelError of this code, whose message matches. */
export function refused(code: FunnelErrorCode, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof FunnelError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    return true;
  };
}
