"""One execution environment: a function's place to run, with one process, one log stream and one temporary folder.

An invocation goes through these steps:

1. Without a living process, one is started and imports the handler: the init phase, up to 10 s that do not count
   against the function's timeout. If it fails, the log says so, and it is repeated under the timeout, as on AWS.
2. The event is sent, and the answer awaited until the timeout.
3. If the process did not answer (too late, too big, dead), it is killed with all it started. The temporary folder and
   the log stream stay; the next invocation begins at step 1.

The exception to AWS: a crash while the handler is imported is reported as the crash that it is, at once. AWS waits for
the timeout and reports that.
"""

import math
import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from config import limits
from worker.arn import Arn
from worker.clock import Clock
from worker.function import FunctionConfiguration
from worker.invocation import Attempt, Crashed, FunctionError, Invocation, Lost, Outcome, Succeeded, TimedOut
from worker.runtime import failures, interpreter, lines, surroundings, wire
from worker.runtime.log import Log, LogSink
from worker.runtime.process import LOOK, DeadlinePassed, Ending, Exited, HandlerProcess, OutOfMemory
from worker.runtime.surroundings import AwsAccess
from worker.runtime.wire import Frame


@dataclass(frozen=True, slots=True)
class Host:
    """What a worker gives to each of its environments."""

    runtime_folder: Path  # where a handler finds boto3
    temporary: Path  # where the environments' own folders are made
    access: AwsAccess
    clock: Clock
    sink: LogSink
    init_timeout: float = limits.INIT_TIMEOUT  # seconds
    look_every: float = LOOK  # seconds between two looks at a running process's memory and at its log


class _Verdict(NamedTuple):
    """How one exchange with the process ended."""

    outcome: Succeeded | FunctionError | None  # None: the handler is imported
    blamed: str | None  # the error type, if the platform says that it failed and not the handler


class ExecutionEnvironment:
    """A place where one revision of one function runs. One thread at a time may use it; only `abort` is for others."""

    def __init__(self, function: FunctionConfiguration, code_root: Path, host: Host) -> None:
        """Make the place; the process is started by the first invocation.

        Raises:
            OSError: the temporary folder could not be made.
        """
        self.function = function
        self._code_root = code_root
        self._host = host
        self._interpreter = interpreter.find(function.runtime)
        self._temporary = Path(tempfile.mkdtemp(dir=host.temporary, prefix=""))
        stream = f"{host.clock.now():%Y/%m/%d}/[$LATEST]{secrets.token_hex(16)}"
        self._log = Log(function.name, stream, host.clock, host.sink)
        self._process: HandlerProcess | None = None
        self._peak = 0  # most memory, in bytes, that the latest process was seen to hold
        self._is_aborted = False

    @property
    def is_warm(self) -> bool:
        """Whether the next invocation finds the handler imported."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The process that is warm, if there is one."""
        return self._process.pid if self._process else None

    def invoke(self, invocation: Invocation) -> Attempt:
        """Run the handler once.

        Raises:
            CannotStart: the operating system refused to start the process. The handler did not run.
        """
        if self._process is not None and not self._process.is_idle():
            self._end_process()  # it died since it was last used
        init_ms, verdict = None, _Verdict(None, None)
        if self._process is None:
            init_ms, verdict = self._initialise(invocation.request_id, self._host.init_timeout, phase="init")
        self._log.say(lines.start(invocation.request_id))
        started_at, begun = self._host.clock.now(), time.monotonic()
        if verdict.outcome is not None:
            _, verdict = self._initialise(invocation.request_id, self.function.timeout, phase="invoke")
        if verdict.outcome is None:
            verdict = self._call(invocation, begun + self.function.timeout)
        duration_ms = (time.monotonic() - begun) * 1000
        self._say_how_it_ended(invocation.request_id, verdict, duration_ms, init_ms)
        return Attempt(
            outcome=self._outcome(verdict),
            started_at=started_at,
            duration_ms=duration_ms,
            log_stream=self._log.stream,
            log=self._log.take(),
            init_duration_ms=init_ms,
            max_memory_mb=self._peak_mb,
        )

    def _initialise(self, request_id: str, limit: float, *, phase: str) -> tuple[float, _Verdict]:
        """Start the process and let it import the handler, for `limit` seconds. The time it took, in ms, and how."""
        begun = time.monotonic()
        self._process = process = self._start_process()
        verdict = self._judge(process.receive(begun + limit), request_id)
        duration_ms = (time.monotonic() - begun) * 1000
        self._peak = process.peak
        if verdict.outcome is not None:
            self._end_process()
            self._log.say(lines.init_report(duration_ms, phase=phase, error_type=verdict.blamed or ""))
        return duration_ms, verdict

    def _start_process(self) -> HandlerProcess:
        version = self._interpreter.describe(self.function.runtime)
        self._log.say(lines.init_start(version, Arn.parse(self.function.arn).region))
        process = HandlerProcess(
            self._interpreter.path,
            folder=self._code_root,
            variables=surroundings.variables(
                self.function,
                access=self._host.access,
                interpreter=self._interpreter.path,
                code_root=self._code_root,
                runtime_folder=self._host.runtime_folder,
                temporary=self._temporary,
                log_stream=self._log.stream,
            ),
            memory_limit=self.function.memory_size << 20,
            output=self._log.write,
            look=self._log.flush_if_due,
            look_every=self._host.look_every,
        )
        if self._is_aborted:
            process.kill()
        return process

    def _call(self, invocation: Invocation, deadline: float) -> _Verdict:
        process = self._process
        assert process is not None, "an invocation is sent to a process that has imported the handler"
        header = {
            "id": invocation.request_id,
            "arn": invocation.invoked_arn,
            "ms": (deadline - time.monotonic()) * 1000,
            "trace": invocation.trace_header,
            "client": invocation.client_context,
        }
        ending = process.ask(wire.INVOKE, header, invocation.payload, deadline)
        self._peak = process.peak
        if not isinstance(ending, Frame) or process.is_over_its_memory:
            self._end_process()
        return self._judge(ending, invocation.request_id)

    def _judge(self, ending: Ending, request_id: str) -> _Verdict:
        match ending:
            case Frame(kind=wire.READY):
                return _Verdict(None, None)
            case Frame(kind=wire.RESULT):
                return _Verdict(Succeeded(ending.payload), None)
            case Frame(kind=wire.TOO_LARGE):
                failure = failures.response_too_large()
            case Frame():
                failure = FunctionError(ending.payload, ending.header["type"], ending.header["message"])
                return _Verdict(failure, failure.error_type if ending.kind == wire.INIT_ERROR else None)
            case Exited():
                failure = failures.exited(request_id, ending.code)
            case DeadlinePassed():
                failure = failures.timed_out(request_id, self.function.timeout)
            case OutOfMemory():
                failure = failures.out_of_memory(request_id)
        return _Verdict(failure, failure.error_type)

    def _say_how_it_ended(
        self, request_id: str, verdict: _Verdict, duration_ms: float, init_duration_ms: float | None
    ) -> None:
        match verdict.outcome:
            case TimedOut():
                self._log.say(lines.timed_out(self._host.clock.now(), request_id, self.function.timeout))
            case Crashed(error_message=message, error_type=kind):
                self._log.say(lines.exited(message, kind))
        self._log.say(lines.end(request_id))
        self._log.say(
            lines.report(
                request_id,
                duration_ms=duration_ms,
                memory_size=self.function.memory_size,
                max_memory_mb=self._peak_mb,
                init_duration_ms=init_duration_ms,
                error_type=verdict.blamed,
            )
        )

    def _outcome(self, verdict: _Verdict) -> Outcome:
        if self._is_aborted and isinstance(verdict.outcome, Crashed):
            return Lost("The worker ended its environments while the function ran. Nothing is known of what it did.")
        assert verdict.outcome is not None, "an exchange with a ready process ends with an outcome"
        return verdict.outcome

    @property
    def _peak_mb(self) -> int:
        return math.ceil(self._peak / 1_048_576)

    def _end_process(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            process.end()

    def abort(self) -> None:
        """Kill what runs, from another thread: the invocation ends as `Lost`, because the function is not to blame."""
        self._is_aborted = True
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process with all it started, remove the temporary folder, and hand on the last of the log."""
        try:
            self._end_process()
        finally:
            # What cannot be removed now is removed with the folder around it, by a worker that starts later.
            shutil.rmtree(self._temporary, ignore_errors=True)
        self._log.close()

    def __repr__(self) -> str:
        state = f"pid {self.pid}" if self.is_warm else "cold"
        return f"<ExecutionEnvironment {self.function.name} {self.function.revision_id} {state}>"
