/** In place of traced.ts in the CommonJS build: paths, which tracing follows, and bundlers do not. */
import path from 'node:path';

/** As in traced.ts. Packages lie beside this one wherever a package manager makes a `node_modules`. */
export function traced(): unknown[] {
  return [
    path.join(__dirname, '../kernels/offload-worker.js'),
    path.join(__dirname, '../store/pool-worker.js'),
    path.join(__dirname, '../embed/worker.js'),
    path.join(__dirname, '../../../../@funnelvec/linux-x64/package.json'),
    path.join(__dirname, '../../../../@funnelvec/linux-x64/funnelvec.node'),
    path.join(__dirname, '../../../../@funnelvec/linux-x64-musl/package.json'),
    path.join(__dirname, '../../../../@funnelvec/linux-x64-musl/funnelvec.node'),
    path.join(__dirname, '../../../../@funnelvec/linux-arm64/package.json'),
    path.join(__dirname, '../../../../@funnelvec/linux-arm64/funnelvec.node'),
    path.join(__dirname, '../../../../@funnelvec/linux-arm64-musl/package.json'),
    path.join(__dirname, '../../../../@funnelvec/linux-arm64-musl/funnelvec.node'),
    path.join(__dirname, '../../../../@funnelvec/darwin-x64/package.json'),
    path.join(__dirname, '../../../../@funnelvec/darwin-x64/funnelvec.node'),
    path.join(__dirname, '../../../../@funnelvec/darwin-arm64/package.json'),
    path.join(__dirname, '../../../../@funnelvec/darwin-arm64/funnelvec.node'),
    path.join(__dirname, '../../../../@funnelvec/win32-x64/package.json'),
    path.join(__dirname, '../../../../@funnelvec/win32-x64/funnelvec.node'),
    path.join(__dirname, '../../../../@funnelvec/win32-arm64/package.json'),
    path.join(__dirname, '../../../../@funnelvec/win32-arm64/funnelvec.node'),
  ];
}
