/** Taking part in one fetch of a client that offers no way to: to cancel it, and to have the bytes of its answer. */

/**
 * Runs one call of the client with our signal beside the client's own. The client looks up the global fetch while the call is
 * being made, synchronously, so a stand-in is in place until that first fetch or the end of the call, and no other code can
 * meet it. A client that fetches later, or by other means, is simply not tapped.
 *
 * @param bytesOf - the end of the path whose answer is to be taken before the client parses it
 */
export async function tappedFetch<T>(
  call: () => Promise<T>,
  signal: AbortSignal,
  bytesOf?: string,
): Promise<{ value: T; bytes?: Uint8Array }> {
  const real = globalThis.fetch;
  // Where fetch is an accessor or read-only, someone watches it: hands off.
  if (!Object.getOwnPropertyDescriptor(globalThis, 'fetch')?.writable) return { value: await call() };
  const restore = () => {
    if (globalThis.fetch === standIn) globalThis.fetch = real;
  };
  let bytes: Uint8Array | undefined;
  let release: (() => void) | undefined;
  const standIn: typeof fetch = async (input, init = {}) => {
    // First, because the real one may be a wrapper that fetches something itself.
    restore();
    if (release) return real(input, init);
    const either = eitherOf(init.signal, signal);
    release = either.release;
    const response = await real(input, { ...init, signal: either.signal });
    if (!bytesOf || response.status !== 200 || !pathOf(input).endsWith(bytesOf)) return response;
    bytes = new Uint8Array(await response.arrayBuffer());
    // As much of a Response as the client looks at; a real one costs a tenth of a millisecond.
    const { ok, status, statusText, headers, url } = response;
    return {
      ok,
      status,
      statusText,
      headers,
      url,
      text: async () => '{}',
      json: async () => ({}),
    } as unknown as Response;
  };
  try {
    let answer: Promise<T>;
    try {
      globalThis.fetch = standIn;
      answer = call();
    } finally {
      restore();
    }
    return { value: await answer, bytes };
  } finally {
    // Not before: the client itself reads the body of an answer that is not taken.
    release?.();
  }
}

function pathOf(input: string | URL | Request): string {
  return String(typeof input === 'object' && 'url' in input ? input.url : input).replace(/[?#].*$/s, '');
}

/** Fires when one of the two does, until released. (AbortSignal.any keeps its listeners for as long as the signals live.) */
function eitherOf(a: AbortSignal | null | undefined, b: AbortSignal): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const releases: (() => void)[] = [];
  for (const one of [a, b]) {
    if (!one) continue;
    const abort = () => controller.abort(one.reason);
    if (one.aborted) abort();
    one.addEventListener('abort', abort, { once: true });
    releases.push(() => one.removeEventListener('abort', abort));
  }
  return {
    signal: controller.signal,
    release: () => {
      for (const release of releases) release();
    },
  };
}
