"""A REST and gRPC front over the qdrant-edge engine, for tests only."""

# The version that `GET /` and the health check report.
SERVER_VERSION = "1.18.3"
