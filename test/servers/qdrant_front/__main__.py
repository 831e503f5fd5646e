"""Starts the front. It ends when its standard input closes or on SIGTERM."""

import argparse
import json
import os
import signal
import sys
import threading

from .core import Store
from .rest import Server
from .rpc import serve


def main():
    parser = argparse.ArgumentParser(
        prog="qdrant_front",
        description="REST and gRPC front over the qdrant-edge engine, for tests. "
        "Hooks of the front only: the header or metadata x-front-delay-ms delays a reply, "
        "x-front-vector-layout: old makes gRPC send vectors in the deprecated layout.",
    )
    parser.add_argument("--port", type=int, default=0, help="REST port, 0 picks a free one")
    parser.add_argument("--grpc-port", type=int, default=0, help="gRPC port, 0 picks a free one")
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    args = parser.parse_args()

    stop = threading.Event()
    for name in ("SIGTERM", "SIGINT"):
        signal.signal(getattr(signal, name), lambda *_: stop.set())

    def watch_stdin():
        while sys.stdin.buffer.read(4096):
            pass
        stop.set()

    store = Store(args.data_dir)
    rest = Server((args.host, args.port), store)
    rpc, rpc_port = serve(store, args.host, args.grpc_port)
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    threading.Thread(target=watch_stdin, daemon=True).start()
    print(json.dumps({"ready": True, "port": rest.server_address[1], "grpcPort": rpc_port}), flush=True)
    while not stop.wait(0.5):
        pass
    rpc.stop(0)
    rest.server_close()
    store.close()
    # Threads of open connections would keep the interpreter waiting.
    os._exit(0)


main()
