"""`milvus-lite server`, ended when standard input closes, so that no orphan is left."""

import os
import signal
import sys
import threading

from milvus_lite.cmdline import main


def watch_stdin():
    while sys.stdin.buffer.read(4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(5)
    os._exit(0)


threading.Thread(target=watch_stdin, daemon=True).start()
sys.argv[0] = "milvus-lite"
sys.exit(main())
