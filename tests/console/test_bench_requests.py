"""What a load test sends: requests that are signed as botocore signs them, over connections that may break."""

import asyncio
from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from console.bench.connection import Answer, Connection
from console.bench.signing import Caller, invoke_request
from tests.waiting import wait_until

CALLER = Caller("AKIATESTTESTTEST", "secret/key+1", "eu-central-1", "127.0.0.1:4566")


@pytest.mark.parametrize("function", ["hello", "hello:live", "arn:aws:lambda:eu-central-1:000000000000:function:hello"])
def test_signature_is_the_one_that_botocore_makes(function: str):
    """Of the same request in the same second: path with and without characters that are encoded twice, and a body."""
    payload = b'{"name": "w\xc3\xb6rld"}'
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    sent = invoke_request(CALLER, function, "Event", payload, now)
    head, _, body = sent.partition(b"\r\n\r\n")
    request_line, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    path = request_line.split(" ")[1]

    request = AWSRequest(
        "POST", f"http://{CALLER.host}{path}", headers={"X-Amz-Invocation-Type": "Event"}, data=payload
    )
    signer = SigV4Auth(Credentials(CALLER.access_key, CALLER.secret_key), "lambda", CALLER.region)
    signer.add_auth(request)
    theirs = request.headers["X-Amz-Date"]
    ours = headers["authorization"]
    if theirs != now:  # the second has changed between the two
        ours = invoke_request(CALLER, function, "Event", payload, theirs).decode().split("authorization: ")[1]
        ours = ours.split("\r\n")[0]

    assert ours == request.headers["Authorization"]
    assert body == payload
    assert headers["content-length"] == str(len(payload))


async def serve(answers: list[bytes], requests: list[bytes]) -> asyncio.Server:
    """A server that gives these answers in turn, in pieces of seven bytes; after an empty one it hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while answers:
            try:
                requests.append(await reader.readuntil(b"\r\n\r\n"))
            except asyncio.IncompleteReadError:
                break
            answer = answers.pop(0)
            for first in range(0, len(answer), 7):
                writer.write(answer[first : first + 7])
                await writer.drain()
            if not answer:
                break
        writer.close()

    return await asyncio.start_server(talk, "127.0.0.1", 0)


def test_a_connection_tells_every_answer_and_opens_again_when_it_broke():
    """Accepted; a function error; refused, with why; hung up; and after that accepted over a new connection."""
    accepted = b"HTTP/1.1 202 Accepted\r\nx-amzn-RequestId: r1\r\ncontent-length: 0\r\n\r\n"
    failed = b"HTTP/1.1 200 OK\r\nX-Amz-Function-Error: Unhandled\r\ncontent-length: 2\r\n\r\n{}"
    refused = b"HTTP/1.1 429 Too Many\r\nconnection: close\r\ncontent-length: 4\r\n\r\nslow"
    found: list[Answer] = []

    async def run() -> None:
        requests: list[bytes] = []
        server = await serve([accepted, failed, refused, b"", accepted], requests)
        port = server.sockets[0].getsockname()[1]
        ended = asyncio.Queue[Answer]()
        connection = Connection("127.0.0.1", port, lambda _, answer: ended.put_nowait(answer))
        for _ in range(5):
            connection.send(b"POST / HTTP/1.1\r\n\r\n", 0.0)
            found.append(await asyncio.wait_for(ended.get(), 30))
        connection.close()
        server.close()
        await server.wait_closed()
        assert len(requests) == 5
        connection.send(b"POST / HTTP/1.1\r\n\r\n", 0.0)
        found.append(await asyncio.wait_for(ended.get(), 30))

    asyncio.run(run())

    assert found[:3] == [Answer(202, "", "r1"), Answer(200, "", "", is_function_error=True), Answer(429, "slow")]
    assert (found[3].status, found[4]) == (0, Answer(202, "", "r1"))
    assert found[5].reason.startswith("cannot connect")


def test_nobody_waits_for_ever():
    """A connection whose answer does not come is given up, and its request counts as not answered, once."""
    found: list[Answer] = []

    async def run() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        connection = Connection("127.0.0.1", server.sockets[0].getsockname()[1], lambda _, answer: found.append(answer))
        connection.send(b"POST / HTTP/1.1\r\n\r\n", 0.0)
        await asyncio.sleep(0)
        connection.give_up("too long")
        connection.give_up("too long")
        server.close()

    asyncio.run(run())

    wait_until(lambda: found, "it has been given up")
    assert found == [Answer(0, "too long")]
