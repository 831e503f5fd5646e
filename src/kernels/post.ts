/**
 * Messages to threads that may hold views of buffers beyond 4 GiB. V8 before 14.9 posts offset and length of a view, and
 * checks them against its buffer's, modulo 2^32 bytes: the thread sees the first rows of a matrix, or others, or the message
 * cannot be read there. So such a view goes as its buffer and numbers. Everything else goes as it is.
 */

const LIMIT = 2 ** 32;

const TYPES = { Float32Array, Float64Array, Int8Array, Int32Array, Uint8Array, Uint16Array, Uint32Array } as const;
type TypeName = keyof typeof TYPES;

/** A view in parts. */
interface WideView {
  wideView: TypeName;
  buffer: ArrayBufferLike;
  byteOffset: number;
  length: number;
}

/** A message of which some views are in parts. */
interface WideMessage {
  wideMessage: unknown;
}

/** The message as it may be posted: itself, unless it holds such a view. */
export function toPost(message: unknown): unknown {
  const posted = inParts(message);
  return posted === message ? message : ({ wideMessage: posted } satisfies WideMessage);
}

/** Reads a message that the other side made with `toPost`. */
export function fromPost<Message>(posted: Message): Message {
  if (typeof posted !== 'object' || posted === null || !('wideMessage' in posted)) return posted;
  return whole((posted as WideMessage).wideMessage) as Message;
}

/** The port of a thread: Node's is an event target, too, which its types do not tell. */
interface Port {
  addEventListener(name: string, listener: (event: { data: unknown }) => unknown): void;
}

/**
 * Hears the messages to this thread. It is called before the thread waits for anything, since Deno loses what nobody hears.
 * And not by the port's `on`: Deno's visits each element of each array of a message first, for seconds where there are millions.
 */
export function hear<Message>(port: unknown, heard: (message: Message) => unknown): void {
  const target = port as Port;
  // The thread's end is told to the sender, who would wait for an answer for ever.
  target.addEventListener('messageerror', ({ data: cause }) => {
    throw new Error('A message to this thread cannot be read', { cause });
  });
  target.addEventListener('message', ({ data }) => heard(data as Message));
}

/** Puts wide views into parts; returns the same object where nothing in it changes. */
function inParts(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (ArrayBuffer.isView(value)) return isWide(value) ? partsOf(value) : value;
  if (Array.isArray(value)) {
    if (typeof value[0] !== 'object') return value; // of numbers or texts
    const items = value.map(inParts);
    return items.some((item, i) => item !== value[i]) ? items : value;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  let changed: Record<string, unknown> | undefined;
  for (const key of Object.keys(value)) {
    const before = (value as Record<string, unknown>)[key];
    const after = inParts(before);
    if (after === before) continue;
    changed ??= { ...value };
    changed[key] = after;
  }
  return changed ?? value;
}

function isWide(view: ArrayBufferView): boolean {
  return view.buffer.byteLength >= LIMIT;
}

function partsOf(view: ArrayBufferView): WideView {
  const { buffer, byteOffset, length } = view as Uint8Array;
  return { wideView: (view as Uint8Array)[Symbol.toStringTag] as TypeName, buffer, byteOffset, length };
}

function whole(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return typeof value[0] === 'object' ? value.map(whole) : value;
  if ('wideView' in value) {
    const { wideView, buffer, byteOffset, length } = value as WideView;
    return new TYPES[wideView](buffer as ArrayBuffer, byteOffset, length);
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, whole(one)]));
}
