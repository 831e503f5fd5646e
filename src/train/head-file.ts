/** Heads as JSON, alone or in a file: facts, the matrix in base64, and a CRC-32C of all of it. */
import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { expected, FunnelError } from '../core/errors.js';
import { crc32c } from '../store/files/crc32c.js';
import type { HeadFacts } from './head-facts.js';

const FORMAT = 'funnelvec-head';
const VERSION = 1;

/** A head as it stands in a file. */
export interface HeadFile {
  /** 'funnelvec-head'. */
  format: typeof FORMAT;
  /** Version of the format; a newer one is refused (UNSUPPORTED_FORMAT). */
  version: number;
  /** Facts of the head's making, and its recall. */
  facts: HeadFacts;
  /** `dim × headDim` float32, row-major, little-endian, in base64. */
  matrix: string;
  /** Checksum of the JSON text of everything before it. */
  crc32c: number;
}

export function toHeadFile(facts: HeadFacts, basis: Float32Array): HeadFile {
  const bytes = new Uint8Array(basis.length * 4);
  const view = new DataView(bytes.buffer);
  basis.forEach((value, i) => {
    view.setFloat32(4 * i, value, true);
  });
  const matrix = Buffer.from(bytes.buffer).toString('base64');
  const body = { format: FORMAT, version: VERSION, facts: structuredClone(facts), matrix } as const;
  return { ...body, crc32c: checksum(body) };
}

function checksum(body: Omit<HeadFile, 'crc32c'>): number {
  return crc32c(Buffer.from(JSON.stringify(body)));
}

/** @throws FunnelError BAD_ARGUMENT, UNSUPPORTED_FORMAT, CORRUPT */
export function fromHeadFile(json: unknown, where: string): { facts: HeadFacts; basis: Float32Array } {
  const { crc32c: sum, ...body } = plain(json);
  if (body.format !== FORMAT) throw expected('BAD_ARGUMENT', 'a head that fitHead() made', where, json);
  const corrupt = (what: string) => new FunnelError('CORRUPT', `Expected ${where} to be what was written but ${what}`);
  if (typeof body.version === 'number' && body.version > VERSION) {
    throw new FunnelError('UNSUPPORTED_FORMAT', `${where} is of version ${body.version}: a newer funnelvec wrote it`);
  }
  if (sum !== checksum(body)) throw corrupt('its checksum does not match');
  const { dim, headDim } = body.facts;
  const bytes = Buffer.from(body.matrix, 'base64');
  if (bytes.length !== 4 * dim * headDim) throw corrupt(`its matrix has ${bytes.length} bytes`);
  const basis = Float32Array.from({ length: dim * headDim }, (_, i) => bytes.readFloatLE(4 * i));
  return { facts: body.facts, basis };
}

/** As it would come out of a file; nothing where it would not. */
function plain(json: unknown): HeadFile {
  let own: unknown;
  try {
    own = JSON.parse(JSON.stringify(json));
  } catch {}
  return (typeof own === 'object' && own !== null ? own : {}) as HeadFile;
}

/** @throws FunnelError BAD_ARGUMENT, DISK */
export async function writeHeadFile(path: string, file: HeadFile): Promise<void> {
  checkPath(path);
  const beside = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(beside, 'wx');
    try {
      await handle.writeFile(JSON.stringify(file));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, path);
    await syncFolder(dirname(resolve(path)));
  } catch (cause) {
    await rm(beside, { force: true }).catch(() => {});
    throw new FunnelError('DISK', `The head could not be written to ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** So that the rename survives a power loss. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** @throws FunnelError BAD_ARGUMENT, UNSUPPORTED_FORMAT, CORRUPT */
export async function readHeadFile(path: string): Promise<{ facts: HeadFacts; basis: Float32Array }> {
  checkPath(path);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const why = (cause as Error).message;
    throw new FunnelError('BAD_ARGUMENT', `Expected a file that can be read for path but received ${why}`, { cause });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const ours = text.startsWith(`{"format":"${FORMAT}"`);
    const what = ours ? `Expected ${path} to be what was written but it is cut off or changed` : undefined;
    if (what !== undefined) throw new FunnelError('CORRUPT', what, { cause });
    throw expected('BAD_ARGUMENT', 'a head that fitHead() made', path, text);
  }
  return fromHeadFile(json, path);
}

function checkPath(path: unknown): void {
  if (typeof path !== 'string' || path === '') throw expected('BAD_ARGUMENT', 'a path', 'path', path);
}
