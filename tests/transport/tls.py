"""A server that speaks TLS, with a certificate of its own. The bundled one does not."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.system.running import free_port
from tests.transport.processes import CannotServe, Server, server
from tests.transport.programs import programs

_NEW = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
_SUBJECT = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]


@contextmanager
def server_with_tls(folder: Path) -> Iterator[Server]:
    """A server whose URL is `rediss`, and which asks its clients for a certificate. Skips where there is none."""
    certificate, key, port = folder / "certificate.pem", folder / "key.pem", free_port()
    subprocess.run([*_NEW, "-keyout", key, "-out", certificate, *_SUBJECT], check=True, capture_output=True)
    options = {"port": port, "cert-file": certificate, "key-file": key, "ca-cert-file": certificate}
    arguments = [part for name, value in options.items() for part in (f"--tls-{name}", str(value))]
    with ExitStack() as stack:
        for program in programs():
            with suppress(CannotServe):
                started = stack.enter_context(server(folder, *arguments, program=program.path))
                break
        else:
            names = ", ".join(program.name for program in programs())
            pytest.skip(f"none of {names} speaks TLS; a redis-server on the PATH that does is found, as Debian's is")
        files = f"ssl_ca_certs={certificate}&ssl_certfile={certificate}&ssl_keyfile={key}"
        started.url = f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=required&{files}"
        yield started
