"""A REST and gRPC front over the qdrant-edge engine, for tests only."""

import qdrant_edge as edge

# The version that `GET /` and the health check report: that of the engine's generation, 0.8.0 being that of 1.19.
SERVER_VERSION = "1.19.0" if hasattr(edge, "MatchPrefix") else "1.18.3"
