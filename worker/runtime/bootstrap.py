"""What runs inside an execution environment, around the user's handler.

It imports the handler's module, says over the control socket how that went, and then answers one invocation after the
other until the socket closes. What the handler prints goes to the process's own output, which the worker reads; the
socket cannot be reached by printing and is not inherited by the handler's children. Nothing but the standard library
is imported here, and only what Python 3.9 has: the interpreter is the function's, not ours.

The process is never left behind: when the worker dies, however it dies, the kernel kills the whole process group,
also one that sits in an endless loop of C code.

A frame on the socket is: one byte of kind, the lengths of header and payload (4 bytes each, big-endian), the header as
JSON (nothing for an empty one), and the payload, whose bytes the worker passes on as they are.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this file: its modules are none of the handler's business

import _thread
import fcntl
import importlib
import importlib.machinery
import json
import logging
import os
import resource
import select
import signal
import site
import struct
import time
import traceback
from collections.abc import Callable
from typing import Any, TextIO

HEAD = struct.Struct("!cII")

INVOKE = b"I"  # worker -> here. Header: id, arn, ms (what is left of the timeout), trace, client. Payload: the event
READY = b"R"  # the handler is imported
INIT_ERROR = b"X"  # it could not be. Header: type, message. Payload: the error object
RESULT = b"S"  # Payload: what the handler returned, as JSON
ERROR = b"E"  # the handler failed; like INIT_ERROR
TOO_LARGE = b"L"  # the answer has more bytes than may be returned; it is not sent

#: Room that RLIMIT_DATA leaves above twice the function's memory, in bytes. The worker looks at what is resident and
#: kills at the exact limit; this only stops a single absurd allocation, and must leave room for stacks of threads.
DATA_HEADROOM = 1 << 30

#: Indentation in error texts: AWS writes NO-BREAK SPACE, which survives where white space is trimmed.
NBSP = "\u00a0"

Handler = Callable[[Any, "Context"], Any]


class Fault(Exception):
    """Raised when the runtime itself has to refuse: `kind` is AWS's error type."""

    def __init__(self, kind: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.trace = trace or []


# --- the socket -------------------------------------------------------------------------------------------------------


def receive(control: int) -> tuple[dict[str, Any], bytes]:
    """The next frame's header and payload.

    Raises:
        EOFError: the worker has closed its end.
    """
    data = _read(control, 65_536)
    while len(data) < HEAD.size:
        data += _read(control, 65_536)
    _, header_size, payload_size = HEAD.unpack_from(data)
    missing = HEAD.size + header_size + payload_size - len(data)
    if missing > 0:
        whole = memoryview(bytearray(len(data) + missing))
        whole[: len(data)] = data
        unread = whole[len(data) :]
        while unread:
            count = os.readv(control, [unread])
            if count == 0:
                raise EOFError
            unread = unread[count:]
        data = whole.tobytes()
    payload_start = HEAD.size + header_size
    return json.loads(data[HEAD.size : payload_start]), data[payload_start:]


def _read(control: int, size: int) -> bytes:
    data = os.read(control, size)
    if not data:
        raise EOFError
    return data


def send(control: int, kind: bytes, header: dict[str, Any], payload: bytes = b"") -> None:
    """Write one frame."""
    head = json.dumps(header).encode() if header else b""
    unsent = memoryview(HEAD.pack(kind, len(head), len(payload)) + head + payload)
    while unsent:
        unsent = unsent[os.write(control, unsent) :]


# --- what the handler is handed ---------------------------------------------------------------------------------------


class CognitoIdentity:
    """`context.identity`. Always there, always empty: nobody invokes through Cognito here."""

    cognito_identity_id = None
    cognito_identity_pool_id = None


class Client:
    """`context.client_context.client`."""

    def __init__(self, sent: dict[str, Any]) -> None:
        self.installation_id = sent.get("installation_id")
        self.app_title = sent.get("app_title")
        self.app_version_name = sent.get("app_version_name")
        self.app_version_code = sent.get("app_version_code")
        self.app_package_name = sent.get("app_package_name")


class ClientContext:
    """`context.client_context`, when the caller of a synchronous invocation sent one."""

    def __init__(self, sent: dict[str, Any]) -> None:
        self.custom = sent.get("custom")
        self.env = sent.get("env")
        self.client = Client(sent["client"]) if isinstance(sent.get("client"), dict) else None


class Context:
    """The handler's second argument, with the names and types that AWS gives it."""

    def __init__(self, header: dict[str, Any], fixed: dict[str, Any], output: TextIO) -> None:
        self.aws_request_id = header["id"]
        self.invoked_function_arn = header["arn"]
        vars(self).update(fixed)
        self.identity = CognitoIdentity()
        self.client_context = parse_client_context(header.get("client"))
        self.tenant_id = None
        self._deadline = time.monotonic() + header["ms"] / 1000
        self._output = output

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function's timeout, never below 0."""
        return max(int((self._deadline - time.monotonic()) * 1000), 0)

    def log(self, message: object) -> None:
        """Write to the function's log, without ending the line."""
        self._output.write(str(message))

    def __repr__(self) -> str:
        shown = ",".join(f"{name}={value}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"LambdaContext([{shown}])"


def fixed_context() -> dict[str, Any]:
    """What is the same for every invocation of this process."""
    return {
        "function_name": os.environ.get("AWS_LAMBDA_FUNCTION_NAME"),
        "function_version": os.environ.get("AWS_LAMBDA_FUNCTION_VERSION"),
        "memory_limit_in_mb": os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
        "log_group_name": os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME"),
        "log_stream_name": os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME"),
    }


def parse_client_context(encoded: str | None) -> ClientContext | None:
    """Take apart the caller's client context, JSON in base64.

    Raises:
        Fault: it is none.
    """
    if encoded is None:
        return None
    import binascii  # noqa: PLC0415 - almost no invocation has a client context

    try:
        sent = json.loads(binascii.a2b_base64(encoded))
        return ClientContext(sent if isinstance(sent, dict) else {})
    except ValueError as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", f"Unable to parse Client Context JSON: {error}") from None


# --- JSON -------------------------------------------------------------------------------------------------------------


class Marshaller:
    """Turns what the handler returns into JSON.

    Python 3.12 and later write characters as they are, earlier runtimes escape them: AWS changed it there. `Decimal`
    becomes a number with exactly its digits. NaN and infinity are refused, for which AWS posts something that is no
    JSON. Bytes pass as they are if they are JSON.
    """

    def __init__(self, runtime: str) -> None:
        escapes = runtime in {f"AWS_Lambda_python3.{minor}" for minor in range(9, 12)}
        self._encoder = json.JSONEncoder(default=self._default, ensure_ascii=escapes, allow_nan=False)
        # The encoder has no way to write a number by its digits: they go in as a string behind a mark that no other
        # string contains, and come out of the quotes at the end.
        self._mark = os.urandom(16).hex()
        self._has_decimals = False

    def __call__(self, result: object) -> bytes:
        """JSON of `result`.

        Raises:
            Fault: it has no JSON form.
        """
        if result is None:
            return b"null"
        if isinstance(result, bytes):
            return self._check(result)
        self._has_decimals = False
        try:
            text = self._encoder.encode(result)
        except Exception as error:  # noqa: BLE001 - mappings and sequences of the user's own run their own code
            raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None
        return to_bytes(self._unquote(text) if self._has_decimals else text)

    def write(self, value: object) -> bytes:
        """JSON of a value that is known to have one."""
        return to_bytes(self._encoder.encode(value))

    def _default(self, value: object) -> str:
        decimal = sys.modules.get("decimal")
        if decimal is None or not isinstance(value, decimal.Decimal):
            raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
        if not value.is_finite():
            raise ValueError(f"Out of range float values are not JSON compliant: {value}")
        self._has_decimals = True
        return self._mark + str(value)

    def _unquote(self, text: str) -> str:
        first, *others = text.split(f'"{self._mark}')
        return first + "".join(other.replace('"', "", 1) for other in others)

    @staticmethod
    def _check(result: bytes) -> bytes:
        try:
            json.loads(result)
        except ValueError as error:
            message = f"Unable to marshal response: the bytes returned are not JSON: {error}"
            raise Fault("Runtime.MarshalError", message) from None
        return result


def to_bytes(text: str) -> bytes:
    """UTF-8. A lone surrogate, which has no UTF-8, becomes the JSON escape that stands for it."""
    return text.encode("utf-8", "backslashreplace")


def unmarshal(payload: bytes) -> Any:
    """The event.

    Raises:
        Fault: the payload is not JSON.
    """
    try:
        return json.loads(payload.decode("utf-8"))
    except ValueError as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None


# --- errors -----------------------------------------------------------------------------------------------------------


def error_object(error: Exception, request_id: str) -> dict[str, Any]:
    """What the caller gets to see of an error, in AWS's order."""
    if isinstance(error, Fault):
        kind, trace = error.kind, error.trace
    else:
        kind, trace = type(error).__name__, format_trace(error)
    return {"errorMessage": message_of(error), "errorType": kind, "requestId": request_id, "stackTrace": trace}


def message_of(error: Exception) -> str:
    """`str(error)`, or that there is none: an exception of the user's may fail to describe itself."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - this is the user's code again
        return f"<unprintable {type(error).__name__} object>"


def format_trace(error: Exception) -> list[str]:
    """The frames of the traceback, formatted, from the first that is not of this file."""
    frames = traceback.extract_tb(error.__traceback__)
    while frames and frames[0].filename == __file__:
        del frames[0]
    # Without the columns, from which Python 3.11 and later draw markers below the line: AWS shows none.
    plain = [traceback.FrameSummary(frame.filename, frame.lineno, frame.name, line=frame.line) for frame in frames]
    return traceback.format_list(plain)


def print_error(described: dict[str, Any], output: TextIO) -> None:
    """Write an error to the log. A carriage return stands between its lines, which keeps them one log event."""
    lines = [f"[ERROR] {described['errorType']}: {described['errorMessage']}", "Traceback (most recent call last):"]
    for entry in described["stackTrace"]:
        for line in entry.splitlines():
            text = line.lstrip(" ")
            lines.append(NBSP * (len(line) - len(text)) + text)
    print("\r".join("\n".join(lines).splitlines()), file=output)


# --- the log ----------------------------------------------------------------------------------------------------------


class LogHandler(logging.StreamHandler):  # type: ignore[type-arg]  # not generic before Python 3.11
    """The root logger's handler. One record is one log event, however many lines it has."""

    request_id = ""

    def filter(self, record: logging.LogRecord) -> Any:
        """Add the request id, which formats of the user's may name as well."""
        record.aws_request_id = self.request_id
        return super().filter(record)

    def format(self, record: logging.LogRecord) -> str:
        """One line of output, with a carriage return between the lines of the event."""
        return super().format(record).replace("\r\n", "\r").replace("\n", "\r")


def install_logging(output: TextIO) -> LogHandler:
    """Give the root logger its handler. Its level stays WARNING, as on Lambda."""
    handler = LogHandler(output)
    form = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
    formatter = logging.Formatter(form, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)
    return handler


# --- the handler ------------------------------------------------------------------------------------------------------


def load_handler(name: str) -> Handler:
    """Import `package/module.attribute`.

    Raises:
        Fault: it cannot be; the kinds are AWS's.
        Exception: whatever the body of the module raises.
    """
    try:
        module_name, attribute = name.rsplit(".", 1)
    except ValueError as error:
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{name}': {error}") from None
    dotted = module_name.replace("/", ".")
    if dotted.partition(".")[0] in sys.builtin_module_names:
        message = f"Cannot use built-in module {module_name} as a handler module"
        raise Fault("Runtime.BuiltInModuleConflict", message)
    try:
        module = importlib.import_module(dotted)
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from None
    except SyntaxError as error:
        source = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        message = f"Syntax error in module '{module_name}': {error}"
        raise Fault("Runtime.UserCodeSyntaxError", message, [source]) from None
    try:
        handler: Handler = getattr(module, attribute)
    except AttributeError:
        message = f"Handler '{attribute}' missing on module '{module_name}'"
        raise Fault("Runtime.HandlerNotFound", message) from None
    return handler


class Runtime:
    """The loop around the handler."""

    def __init__(self, control: int, largest: int) -> None:
        self._control = control
        self._largest = largest  # bytes that may be returned
        self._output, self._errors = sys.stdout, sys.stderr  # kept: handlers put others in their place
        self._marshal = Marshaller(os.environ.get("AWS_EXECUTION_ENV", ""))
        self._log = install_logging(self._output)
        self._fixed = fixed_context()
        self._pid = os.getpid()

    def initialise(self) -> Handler:
        """Import the handler and say so; or say why not, and end the process."""
        try:
            handler = load_handler(os.environ["_HANDLER"])
        except Exception as error:  # noqa: BLE001 - the body of a module may raise anything
            self._answer(INIT_ERROR, *self._describe(error, ""))
            raise SystemExit(1) from None
        self._answer(READY, {}, b"")
        return handler

    def serve(self, handler: Handler) -> None:
        """Answer invocations until the worker closes the socket.

        Raises:
            EOFError: it has.
        """
        while True:
            header, payload = receive(self._control)
            answer = self._invoke(handler, header, payload)
            if os.getpid() != self._pid:
                os._exit(0)  # the handler forked, and the child came back from it: it has nobody to answer
            self._answer(*answer)

    def _invoke(self, handler: Handler, header: dict[str, Any], payload: bytes) -> tuple[bytes, dict[str, Any], bytes]:
        self._log.request_id = header["id"]
        trace = header.get("trace")
        if trace != os.environ.get("_X_AMZN_TRACE_ID"):
            if trace is None:
                del os.environ["_X_AMZN_TRACE_ID"]
            else:
                os.environ["_X_AMZN_TRACE_ID"] = trace
        try:
            event = unmarshal(payload)
            result = handler(event, Context(header, self._fixed, self._output))
            return RESULT, {}, self._marshal(result)
        except Exception as error:  # noqa: BLE001 - a handler may raise anything
            return (ERROR, *self._describe(error, header["id"]))

    def _describe(self, error: Exception, request_id: str) -> tuple[dict[str, Any], bytes]:
        described = error_object(error, request_id)
        if os.getpid() == self._pid:
            print_error(described, self._output)
        header = {"type": described["errorType"], "message": to_bytes(described["errorMessage"]).decode()}
        return header, self._marshal.write(described)

    def _answer(self, kind: bytes, header: dict[str, Any], payload: bytes) -> None:
        """Send a frame after everything that was printed before it."""
        for stream in (self._output, self._errors):
            if not stream.closed:
                stream.flush()
        if len(payload) > self._largest:
            kind, header, payload = TOO_LARGE, {"size": len(payload)}, b""
        send(self._control, kind, header, payload)


# --- the process ------------------------------------------------------------------------------------------------------


def end_with_worker(lifeline: int) -> None:
    """See to it that this process group is killed when the other end of the pipe `lifeline` closes.

    The kernel does it: the pipe's reader asked for SIGKILL, to the whole group, when something happens on it, and the
    only thing that ever happens is its end. Where the kernel has no such thing (macOS), a thread waits instead, which
    cannot act while the handler holds the interpreter's lock.
    """
    group = os.getpgrp()
    try:
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -group)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)
    except (AttributeError, OSError):
        _thread.start_new_thread(kill_at_end, (lifeline, group))
    ends = select.poll()
    ends.register(lifeline, select.POLLIN)
    if ends.poll(0):
        os.killpg(group, signal.SIGKILL)  # the worker died before the lines above


def kill_at_end(lifeline: int, group: int) -> None:
    """Wait until the pipe ends, then kill the process group."""
    os.read(lifeline, 1)
    os.killpg(group, signal.SIGKILL)


def be_patient() -> None:
    """Do not interrupt whoever wakes this process: run when it is done.

    Without this the worker's loop loses its core to each handler that it hands an event to, thousands of times a
    second, when all cores are busy. Where one is free it makes no difference.
    """
    if hasattr(os, "SCHED_BATCH"):  # Linux
        try:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        except PermissionError:
            return  # a sandbox around us forbids it; all else works


def limit_resources() -> None:
    """No core dumps, and no single allocation far beyond the function's memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere the limit is refused or means something else
        memory = int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]) << 20
        data = 2 * memory + DATA_HEADROOM
        resource.setrlimit(resource.RLIMIT_DATA, (data, data))


def arrange_interpreter() -> None:
    """Make the interpreter what a handler expects: its code first on the path, UTF-8, lines that appear at once.

    The process runs without the module `site`, so that packages installed for the base interpreter do not hide what is
    missing in the deployment package; `exit` and its like are put back here.
    """
    root = os.environ["LAMBDA_TASK_ROOT"]
    sys.path.insert(0, root)
    runtime = os.environ["LAMBDA_RUNTIME_DIR"]
    if runtime not in sys.path:  # the function has a PYTHONPATH of its own
        sys.path.insert(1, runtime)
    # What layers bring, of which the fork server did not know.
    for folder in reversed(os.environ.get("PYTHONPATH", "").split(":")):
        if folder and folder not in sys.path:
            sys.path.insert(1, folder)
    del sys.argv[1:]
    site.setquit()
    site.setcopyright()
    site.sethelper()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]


def run_command(control: int, lifeline: int, command: list[str]) -> None:
    """Become another program, which asks for its invocations over the Runtime API. Only what goes wrong is sent here.

    What was asked of the kernel holds on: the program inherits the lifeline, and with it its end.
    """
    os.set_inheritable(lifeline, True)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and programs inherit what is ignored
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execv(command[0], command)
    except OSError as error:
        # Go's words, in which AWS's platform says it
        message = f"fork/exec {command[0]}: {os.strerror(error.errno or 0).lower()}"
        kind = "Runtime.InvalidEntrypoint"
        described = json.dumps({"errorType": kind, "errorMessage": message}).encode()
        send(control, INIT_ERROR, {"type": kind, "message": message}, described)
        os._exit(1)


def main(control: int, lifeline: int, largest: int, command: list[str]) -> None:
    """Run as the leader of a process group of its own; `control` and `lifeline` are inherited descriptors.

    With a `command` the process becomes that program, else it imports the handler and serves it.
    """
    if os.getpgrp() != os.getpid():
        os.setsid()  # never let the kernel's kill reach a group that is not ours
    os.set_inheritable(control, False)
    os.set_inheritable(lifeline, False)
    os.register_at_fork(after_in_child=lambda: os.close(control))
    end_with_worker(lifeline)
    be_patient()
    limit_resources()
    if command:
        run_command(control, lifeline, command)
    arrange_interpreter()
    runtime = Runtime(control, largest)
    handler = runtime.initialise()
    try:
        runtime.serve(handler)
    except (EOFError, BrokenPipeError):
        os.killpg(0, signal.SIGKILL)


def fork_for_worker(descriptor: int) -> None:
    """Be the fork server at the end of the socket `descriptor`; return in each process that it forks.

    Whoever looks from there finds this file run with the arguments of a single process, and no trace of the server.
    """
    known, importers = set(sys.modules), set(sys.path_importer_cache)
    folder = __file__.rpartition(os.sep)[0]
    sys.path.insert(0, folder)
    forkserver = importlib.import_module("forkserver")
    del sys.path[0]
    forkserver.serve(descriptor)
    for name in set(sys.modules) - known:
        del sys.modules[name]
    for path in set(sys.path_importer_cache) - importers:
        del sys.path_importer_cache[path]
    for path in sys.path:
        # What was not there when the server started is there now, in the root that it has made for itself.
        if sys.path_importer_cache.get(path, path) is None and os.access(path, os.R_OK):
            del sys.path_importer_cache[path]
            importlib.machinery.PathFinder.find_spec("", [path])


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        fork_for_worker(int(sys.argv[2]))
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
