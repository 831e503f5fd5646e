"""Errors with the codes and wording of the real server."""


class ApiError(Exception):
    def __init__(self, http, grpc, message):
        super().__init__(message)
        self.http = http
        self.grpc = grpc  # canonical gRPC status number
        self.message = message


class ValidationError(ApiError):
    """The wording differs per transport, so only the bracketed part is kept here."""

    def __init__(self, detail):
        super().__init__(422, 3, detail)


def bad_input(message):
    return ApiError(400, 3, f"Wrong input: {message}")


def bad_format(message):
    return ApiError(400, 3, f"Format error in JSON body: {message}")


def not_found(message):
    return ApiError(404, 5, f"Not found: {message}")


def unsupported(what):
    return ApiError(501, 12, f"{what} is not supported by this test front")


def no_collection(name):
    return not_found(f"Collection `{name}` doesn't exist!")


def from_engine(error):
    """The engine raises plain Exceptions; only the text tells them apart."""
    text = str(error)
    if isinstance(error, ApiError):
        return error
    if text.startswith(("No point with id", "Not found")):
        return not_found(text)
    if text.startswith("Service runtime error"):
        return ApiError(500, 13, text)
    return bad_input(text.splitlines()[0])
