"""S3's own chunked encoding, cut anywhere."""

import hashlib

import pytest

from producers.errors import ApiError
from producers.gateway.chunked import AwsChunkedDecoder
from producers.gateway.signature import ChunkSigner

SIGNER = ChunkSigner(b"key", "20260102T030405Z", "20260102/us-east-1/s3/aws4_request", "0" * 64)
PIECES = [b"a" * 300, b"\r\n0\r\n", b"end"]
TRAILER = {"x-amz-checksum-crc32": "AAAAAA=="}


def unsigned(pieces: list[bytes], trailer: dict[str, str]) -> bytes:
    """A body as boto3 writes it over TLS."""
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return chunks + b"0\r\n" + _lines(trailer) + b"\r\n"


def signed(pieces: list[bytes], trailer: dict[str, str]) -> bytes:
    """A body whose chunks and trailer are signed."""
    body, previous = b"", SIGNER.seed
    for piece in [*pieces, b""]:
        previous = SIGNER.chunk(previous, hashlib.sha256(piece).hexdigest())
        body += b"%x;chunk-signature=%s\r\n" % (len(piece), previous.encode())
        body += piece + b"\r\n" if piece else b""
    if not trailer:
        return body + b"\r\n"
    text = _lines(trailer).replace(b"\r\n", b"\n")
    return body + _lines(trailer) + b"x-amz-trailer-signature:" + SIGNER.trailer(previous, text).encode() + b"\r\n\r\n"


def _lines(trailer: dict[str, str]) -> bytes:
    return b"".join(f"{name}:{value}\r\n".encode() for name, value in trailer.items())


def decode(
    body: bytes, signer: ChunkSigner | None = None, *, cut: int = 1_000_000, signed_trailer: bool = False
) -> tuple[bytes, dict[str, str]]:
    """Decode a body that arrives in pieces of `cut` bytes; its bytes and its trailer."""
    decoder = AwsChunkedDecoder(signer, signed_trailer=signed_trailer)
    data = b"".join(part for start in range(0, len(body), cut) for part in decoder.feed(body[start : start + cut]))
    decoder.finish()
    return data, decoder.trailer


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 64, 301, 100_000])
@pytest.mark.parametrize("trailer", [{}, TRAILER])
def test_a_body_is_the_same_however_it_is_cut(cut: int, trailer: dict[str, str]) -> None:
    """Unsigned and signed, with and without a trailer."""
    whole = b"".join(PIECES), trailer

    assert decode(unsigned(PIECES, trailer), cut=cut) == whole
    assert decode(signed(PIECES, trailer), SIGNER, cut=cut, signed_trailer=bool(trailer)) == whole


@pytest.mark.parity("signature.chunked")
def test_any_changed_byte_of_a_signed_body_is_noticed() -> None:
    """Lengths, signatures, data and trailer: a flipped bit ends the upload, or changes nothing that counts."""
    body = signed([b"abc", b"defg"], TRAILER)
    unnoticed = []
    for position in range(len(body)):
        changed = body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]
        try:
            decoded = decode(changed, SIGNER, signed_trailer=True)
        except ApiError:
            continue
        if decoded != (b"abcdefg", TRAILER):
            unnoticed.append((position, decoded))

    assert unnoticed == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "IncompleteBody"),
        (b"5\r\nabc", "IncompleteBody"),
        (b"5\r\nabcde\r\n", "IncompleteBody"),
        (b"5\r\nabcdefg\r\n0\r\n\r\n", "InvalidRequest"),
        (b"zz\r\nabc", "InvalidRequest"),
        (b"-1\r\nabc\r\n0\r\n\r\n", "InvalidRequest"),
        (b"f" * 2_000, "InvalidRequest"),
        (b"0\r\nno trailer\r\n\r\n", "InvalidRequest"),
        (b"0\r\n" + b"a" * 20_000, "InvalidRequest"),
    ],
)
def test_what_is_not_aws_chunked_is_refused(body: bytes, code: str) -> None:
    """Cut off, overlong, or another encoding altogether."""
    with pytest.raises(ApiError) as refused:
        decode(body)

    assert refused.value.code == code


def test_a_body_without_signatures_is_refused_where_they_are_due() -> None:
    """Leaving the signatures out is not a way around them."""
    with pytest.raises(ApiError, match="SignatureDoesNotMatch"):
        decode(unsigned(PIECES, {}), SIGNER)
