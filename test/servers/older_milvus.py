"""Runs `server` (Milvus of the PyPI package milvus) or `lite` (the engine of milvus-lite 2.5) with its data in a folder,
says {"port": …} when it answers, and ends it when standard input closes."""

import json
import os
import sys

kind, folder, port = sys.argv[1], sys.argv[2], 19530

if kind == "server":
    from milvus import MilvusServer

    server = MilvusServer(data_dir=folder)
    # A read of what was just written waits for the next tick.
    server.config.set("proxy.timeTickInterval", 20)
    server.start()
    port = server.listen_port
else:
    from milvus_lite.server import Server

    server = Server(os.path.join(folder, "lite.db"), f"127.0.0.1:{port}")
    if not server.init() or not server.start():
        sys.exit("milvus-lite did not start")

print(json.dumps({"port": port}), flush=True)
try:
    while sys.stdin.buffer.read(4096):
        pass
finally:
    server.stop()
