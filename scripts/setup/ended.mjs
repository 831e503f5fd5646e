// A reporter that says how a test file ended which failed as a whole: the others leave out its exit code and signal.

/** @param {AsyncIterable<{ type: string, data: any }>} events */
export default async function* ended(events) {
  for await (const { type, data } of events) {
    const { exitCode, signal, failureType } = data?.details?.error ?? {};
    if (type !== 'test:fail' || exitCode === undefined) continue;
    yield `ended: ${data.name}: ${failureType}, exit code ${exitCode}, signal ${signal}\n`;
  }
}
