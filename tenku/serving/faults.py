"""What a client is told when something is wrong: `{"error": {message, type, param, code}}`."""

import logging
from collections.abc import Mapping
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from tenku.errors import UserError

_log: Final = logging.getLogger("tenku.faults")
_TYPES: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """An answer other than the one that was asked for."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.headers = dict(headers or {})

    def body(self) -> dict[str, dict[str, str | None]]:
        """The JSON that the SDKs read."""
        kind = _TYPES.get(self.status) or ("server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def bad_value(message: str, param: str | None = None) -> ApiError:
    """A field that holds what it cannot hold."""
    return ApiError(400, message, code="invalid_value", param=param)


def not_found(what: str, name: str) -> ApiError:
    """Something that is not there, or is somebody else's: nobody can tell which."""
    return ApiError(404, f"there is no {what} {name[:80]!r}; list yours to see their ids.", code="not_found")


def unavailable(message: str, code: str = "unavailable") -> ApiError:
    """Something that works again later."""
    return ApiError(503, message, code=code, headers={"retry-after": "2", "x-should-retry": "true"})


def fault_of(error: Exception) -> ApiError | None:
    """What a client is told of what was raised; None if the client has gone. The log has the rest."""
    match error:
        case ApiError():
            return error
        case ConnectionError():
            return None
        case UserError() if not isinstance(error.__cause__, OSError):
            return ApiError(400, str(error), code=getattr(error, "code", "invalid_value"))
        case SQLAlchemyError():
            _log.warning("the database does not answer: %s", str(error).splitlines()[0])
            return unavailable("the database does not answer; try again in a moment.")
        case OSError() | UserError():  # what it says names places that are none of a client's business
            _log.error("the storage does not work", exc_info=error)
            return unavailable(
                "the storage is full or does not work; try again later.", "storage_unavailable"
            )
    _log.error("a mistake of ours", exc_info=error)
    return ApiError(
        500, "something went wrong inside tenku; the server's log says what.", code="server_error"
    )
