"""The HTTP side: routes, JSON, and the real server's way of sending a body."""

import re
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import orjson

from . import SERVER_VERSION
from .errors import ApiError, ValidationError, bad_format
from .ids import show_id

# The real server compresses small bodies in place and larger ones on another
# thread, so that head and body leave in separate segments.
IN_PLACE = 1024
PIECE = 16 * 1024
# The real server's default for a request body.
BODY_LIMIT = 32 * 1024 * 1024

ROUTES = []


def route(method, pattern):
    regex = re.compile("^" + re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", pattern) + "/?$")
    return lambda handler: ROUTES.append((method, regex, handler)) or handler


@route("GET", "/collections")
def list_collections(store, body, flags):
    return {"collections": [{"name": name} for name in store.names()]}


@route("GET", "/collections/{name}")
def get_collection(store, body, flags, name):
    return store.info(name)


@route("GET", "/collections/{name}/exists")
def collection_exists(store, body, flags, name):
    return {"exists": name in store.collections}


@route("PUT", "/collections/{name}")
def create_collection(store, body, flags, name):
    return store.create(name, body)


@route("PATCH", "/collections/{name}")
def update_collection(store, body, flags, name):
    return store.update_collection(name)


@route("DELETE", "/collections/{name}")
def delete_collection(store, body, flags, name):
    return store.delete(name)


@route("PUT", "/collections/{name}/points")
def upsert(store, body, flags, name):
    if not isinstance(body, dict):
        raise bad_format("data did not match any variant of untagged enum PointInsertOperations")
    if "points" in body:
        rows = [(point["id"], point["vector"], point.get("payload")) for point in body["points"]]
    else:
        rows = _batch_rows(body.get("batch"))
    return _written(store.upsert(name, rows), flags)


@route("POST", "/collections/{name}/points/delete")
def delete_points(store, body, flags, name):
    return _written(store.delete_points(name, body), flags)


@route("PUT", "/collections/{name}/index")
def create_index(store, body, flags, name):
    return _written(store.create_index(name, body["field_name"], body.get("field_schema")), flags)


@route("DELETE", "/collections/{name}/index/{field}")
def delete_index(store, body, flags, name, field):
    return _written(store.delete_index(name, field), flags)


@route("POST", "/collections/{name}/points")
def retrieve(store, body, flags, name):
    found = store.retrieve(name, body["ids"], body.get("with_payload"), body.get("with_vector"))
    return [show_record(record) for record in found]


@route("GET", "/collections/{name}/points/{point}")
def get_point(store, body, flags, name, point):
    point_id = int(point) if point.isdigit() else point
    found = store.retrieve(name, [point_id], True, True)
    if not found:
        raise ApiError(404, 5, f"Not found: Point with id {point} does not exists!")
    return show_record(found[0])


@route("POST", "/collections/{name}/points/query")
def query(store, body, flags, name):
    return {"points": [show_point(point) for point in store.query(name, body)]}


@route("POST", "/collections/{name}/points/query/batch")
def query_batch(store, body, flags, name):
    return [{"points": [show_point(p) for p in points]} for points in store.query_batch(name, body["searches"])]


@route("POST", "/collections/{name}/points/query/groups")
def query_groups(store, body, flags, name):
    groups = []
    for group in store.query_groups(name, body):
        shown = {"id": group["id"], "hits": [show_point(hit, record) for hit, record in group["hits"]]}
        if group["lookup"] is not None:
            shown["lookup"] = show_record(group["lookup"])
        groups.append(shown)
    return {"groups": groups}


@route("POST", "/collections/{name}/points/scroll")
def scroll(store, body, flags, name):
    points, offset = store.scroll(name, body)
    return {
        "points": [show_record(point) for point in points],
        "next_page_offset": None if offset is None else show_id(offset),
    }


@route("POST", "/collections/{name}/points/count")
def count(store, body, flags, name):
    return {"count": store.count(name, body)}


def _batch_rows(batch):
    if not isinstance(batch, dict):
        raise bad_format("data did not match any variant of untagged enum PointInsertOperations")
    ids, vectors = batch["ids"], batch["vectors"]
    payloads = batch.get("payloads") or [None] * len(ids)
    if isinstance(vectors, dict):
        if any(len(column) != len(ids) for column in vectors.values()):
            raise ValidationError("[batch.vectors: number of ids and vectors must be equal]")
        vectors = [dict(zip(vectors, row)) for row in zip(*vectors.values())]
    if len(vectors) != len(ids):
        raise ValidationError(f"[batch.vectors: number of ids and vectors must be equal ({len(ids)} != {len(vectors)})]")
    if len(payloads) != len(ids):
        raise ValidationError(f"[batch.payloads: number of ids and payloads must be equal ({len(ids)} != {len(payloads)})]")
    return list(zip(ids, vectors, payloads))


def _written(operation, flags):
    waited = flags.get("wait", ["false"])[0] == "true"
    return {"operation_id": operation, "status": "completed" if waited else "acknowledged"}


def show_point(point, record=None):
    """record: where payload and vector come from, for groups."""
    shown = {"id": show_id(point.id), "version": point.version, "score": np.float32(point.score)}
    source = record or point
    if source.payload is not None:
        shown["payload"] = source.payload
    if source.vector is not None:
        shown["vector"] = _show_vector(source.vector)
    if getattr(point, "order_value", None) is not None:
        shown["order_value"] = point.order_value
    return shown


def show_record(record):
    shown = {"id": show_id(record.id)}
    if record.payload is not None:
        shown["payload"] = record.payload
    if record.vector is not None:
        shown["vector"] = _show_vector(record.vector)
    if record.order_value is not None:
        shown["order_value"] = record.order_value
    return shown


def _show_vector(vector):
    # numpy keeps f32, so that the JSON has the short form of each number.
    if isinstance(vector, dict):
        return {name: np.asarray(values, np.float32) for name, values in vector.items()}
    return np.asarray(vector, np.float32)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Nagle stays on, as on the real server: with it a compressed reply stalls.
    disable_nagle_algorithm = False

    def _serve(self):
        started = time.perf_counter()
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        delay = self.headers.get("x-front-delay-ms")
        if delay:
            time.sleep(float(delay) / 1000)
        url = urlsplit(self.path)
        if self.command == "GET" and url.path in ("", "/"):
            return self._reply(200, {"title": "qdrant - vector search engine", "version": SERVER_VERSION, "commit": ""})
        if self.command == "GET" and url.path in ("/healthz", "/readyz", "/livez"):
            return self._send(200, b"healthz check passed", b"text/plain")
        try:
            result = self._dispatch(url, body)
        except ApiError as error:
            status, message = error.http, error.message
            if isinstance(error, ValidationError):
                message = f"Validation error in JSON body: {message}"
        except (KeyError, IndexError) as error:
            status, message = 400, f"Format error in JSON body: missing field `{error.args[0]}`"
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            status, message = 400, f"Format error in JSON body: {str(error).splitlines()[0]}"
        except Exception as error:  # a bug of the front: the test should see it
            status, message = 500, f"Service internal error: {error!r}"
        else:
            if result is NotImplemented:
                return self._send(404, b"", b"text/plain")
            return self._reply(200, {"result": result, "status": "ok", "time": time.perf_counter() - started})
        self._reply(status, {"status": {"error": message}, "time": time.perf_counter() - started})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _dispatch(self, url, raw):
        for method, regex, handler in ROUTES:
            match = regex.match(url.path) if method == self.command else None
            if match:
                if len(raw) > BODY_LIMIT:
                    raise bad_format(
                        f"JSON payload ({len(raw)} bytes) is larger than allowed (limit: {BODY_LIMIT} bytes)."
                    )
                try:
                    body = orjson.loads(raw) if raw else {}
                except orjson.JSONDecodeError as error:
                    raise bad_format(str(error)) from error
                names = {key: unquote(value) for key, value in match.groupdict().items()}
                return handler(self.server.store, body, parse_qs(url.query), **names)
        return NotImplemented

    def _reply(self, status, value):
        self._send(status, orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), b"application/json")

    def _send(self, status, body, kind):
        head = b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\nvary: accept-encoding\r\n" % (
            status, self.responses[status][0].encode(), kind)
        if not body or "gzip" not in (self.headers.get("accept-encoding") or ""):
            self.wfile.write(b"%scontent-length: %d\r\n\r\n%s" % (head, len(body), body))
            return
        pieces = [head + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n", *_gzip_chunks(body)]
        if len(body) <= IN_PLACE:
            pieces = [b"".join(pieces)]
        for piece in pieces:
            self.wfile.write(piece)

    def log_message(self, *args):
        pass


def _gzip_chunks(body):
    packer = zlib.compressobj(level=1, wbits=31)
    for start in range(0, len(body), PIECE):
        data = packer.compress(body[start : start + PIECE]) + packer.flush(zlib.Z_SYNC_FLUSH)
        yield b"%x\r\n%s\r\n" % (len(data), data)
    data = packer.flush()
    yield b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, store):
        super().__init__(address, Handler)
        self.store = store

    def handle_error(self, request, client_address):
        pass  # clients that time out close their socket; that is no news
