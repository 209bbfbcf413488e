"""The one exception by which a service refuses a request. The gateway writes it as the protocol of the caller wants."""

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """Raised when a request is refused, with the code and words that AWS uses.

    `status` is the HTTP status where the service model does not give one for `code`. `members` are further fields of
    the error's body, by their AWS names; `headers` are further HTTP headers.
    """

    def __init__(
        self,
        code: str,
        message: str,
        status: int = 400,
        *,
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = dict(members or {})
        self.headers = dict(headers or {})
