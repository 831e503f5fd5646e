/** Pages for tests: files in memory, served on this machine with the headers that each is to have. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Served {
  text: string | Uint8Array;
  type?: string;
  headers?: Record<string, string>;
}

/** These make a page cross-origin isolated, and let its workers be. */
export const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export class Site {
  readonly files = new Map<string, Served>();
  #server: Server | undefined;

  async open(): Promise<void> {
    this.#server = createServer(({ url = '/' }, response) => {
      const file = this.files.get(new URL(url, 'http://127.0.0.1').pathname);
      if (file === undefined) {
        response.writeHead(404).end();
        return;
      }
      response.writeHead(200, { 'Content-Type': file.type ?? 'text/javascript', ...file.headers }).end(file.text);
    });
    await new Promise<void>((done) => this.#server!.listen(0, '127.0.0.1', done));
  }

  /** A page with one script, and its address. */
  page(path: string, script: string, headers: Record<string, string> = {}): string {
    const text = `<!doctype html><title>test</title><body><script src="${script}"></script>`;
    this.files.set(path, { text, type: 'text/html', headers });
    return `http://127.0.0.1:${(this.#server!.address() as AddressInfo).port}${path}`;
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((done) => this.#server?.close(done));
  }
}
