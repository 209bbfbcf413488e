"""S3's own chunked encoding (`aws-chunked`), taken off a body as it arrives.

A chunk is its length in hex, its bytes, and an empty line; the last one has the length 0, and lines `name:value` may
follow it: the trailer, which carries a checksum. Where the head was signed with a `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`,
each chunk carries a signature that covers the one before, and so does the trailer; a wrong one ends the upload.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator

from producers.errors import ApiError
from producers.gateway import refusals
from producers.gateway.signature import ChunkSigner

#: A longer line before a chunk, or a longer trailer, is an attack or no aws-chunked at all.
_MAX_LINE = 1_024
_MAX_TRAILER = 16_384

_CHUNK_LINE = re.compile(rb"^([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?$")


class AwsChunkedDecoder:
    """Takes the encoded bytes in pieces of any length and gives the decoded ones."""

    def __init__(self, signer: ChunkSigner | None, *, signed_trailer: bool) -> None:
        self.trailer: dict[str, str] = {}
        self._signer = signer
        self._signed_trailer = signed_trailer
        self._previous = signer.seed if signer else ""
        self._buffer = bytearray()
        self._step = self._read_line
        self._left = 0  # bytes of the present chunk that are still to come
        self._signature = ""  # what the present chunk claims
        self._hash = hashlib.sha256()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next encoded bytes and give the decoded ones.

        Raises:
            ApiError: this is not aws-chunked, or a chunk's signature is wrong.
        """
        self._buffer += data
        while True:
            before = len(self._buffer), self._step
            piece = self._step()
            if piece:
                yield piece
            if (len(self._buffer), self._step) == before:
                return

    def finish(self) -> None:
        """Say that nothing more will come.

        Raises:
            ApiError: the body was cut off, or the trailer's signature is wrong.
        """
        if self._step != self._read_trailer:
            raise ApiError("IncompleteBody", "The request body terminated unexpectedly: the last chunk is missing.")
        self._parse_trailer()

    def _read_line(self) -> bytes:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            if len(self._buffer) > _MAX_LINE:
                raise _not_chunked("a line before a chunk does not end")
            return b""
        match = _CHUNK_LINE.match(bytes(self._buffer[:end]))
        if match is None:
            raise _not_chunked(f"{bytes(self._buffer[: min(end, 64)])!r} is not a chunk's length")
        del self._buffer[: end + 2]
        self._left = int(match[1], 16)
        self._signature = (match[2] or b"").decode()
        if self._left:
            self._step = self._read_data
        else:
            self._end_chunk()
            self._step = self._read_trailer
        return b""

    def _read_data(self) -> bytes:
        piece = bytes(self._buffer[: self._left])
        del self._buffer[: len(piece)]
        self._left -= len(piece)
        if self._signer is not None:
            self._hash.update(piece)
        if not self._left:
            self._step = self._read_end
        return piece

    def _read_end(self) -> bytes:
        if len(self._buffer) < 2:
            return b""
        if self._buffer[:2] != b"\r\n":
            raise _not_chunked("a chunk is longer than it says")
        del self._buffer[:2]
        self._end_chunk()
        self._step = self._read_line
        return b""

    def _end_chunk(self) -> None:
        if self._signer is None:
            return
        expected = self._signer.chunk(self._previous, self._hash.hexdigest())
        if not hmac.compare_digest(expected, self._signature):
            raise refusals.mismatch("rest-xml")
        self._previous = expected
        self._hash = hashlib.sha256()

    def _read_trailer(self) -> bytes:
        if len(self._buffer) > _MAX_TRAILER:
            raise _not_chunked("the trailer is too long")
        return b""

    def _parse_trailer(self) -> None:
        lines = [line.strip() for line in bytes(self._buffer).split(b"\n") if line.strip()]
        signature, signed = "", b""
        for line in lines:
            name, separator, value = (part.strip() for part in line.partition(b":"))
            if not separator:
                raise _not_chunked(f"{line[:64]!r} is not a line of a trailer")
            if name.lower() == b"x-amz-trailer-signature":
                signature = value.decode("latin-1")
                continue
            self.trailer[name.decode("latin-1").lower()] = value.decode("latin-1")
            signed += name.lower() + b":" + value + b"\n"
        if self._signer is not None and self._signed_trailer:
            expected = self._signer.trailer(self._previous, signed)
            if not hmac.compare_digest(expected.encode(), signature.encode()):
                raise refusals.mismatch("rest-xml")


def _not_chunked(reason: str) -> ApiError:
    return ApiError("InvalidRequest", f"The body is not aws-chunked, as its head says: {reason}.")
