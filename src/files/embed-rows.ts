/** The texts of rows as vectors. */
import { FunnelError } from '../core/errors.js';
import type { MappedBatch } from './batches.js';

/** A text that the model cannot embed is a broken row: named by its place in the file, or passed over. */
export async function embeddedRows(
  batch: MappedBatch,
  embed: (texts: string[]) => Promise<Float32Array>,
  skipBroken: boolean,
): Promise<Float32Array> {
  for (;;) {
    try {
      return batch.rows.length === 0 ? new Float32Array(0) : await embed(batch.rows.map(({ text }) => text!));
    } catch (error) {
      const place = error instanceof FunnelError ? /\btexts\[(\d+)\]/.exec(error.message)?.[1] : undefined;
      const row = place === undefined ? undefined : batch.rows[Number(place)];
      if (row === undefined) throw error;
      const { code, message } = error as FunnelError;
      const why = message.replace(`texts[${place}]`, `the text of ${row.at}`);
      if (!skipBroken) throw new FunnelError(code, why, { cause: error });
      batch.rows.splice(Number(place), 1);
      batch.skipped.push({ at: row.at, why });
    }
  }
}
