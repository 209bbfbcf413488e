"""One execution environment: a function's place to run, with one process, one log stream and one temporary folder.

An invocation goes through these steps:

1. Without a living process, one is started and imports the handler: the init phase, up to 10 s that do not count
   against the function's timeout. If it fails, the log says so, and it is repeated under the timeout, as on AWS.
2. The event is sent, and the answer awaited until the timeout.
3. If the process did not answer (too late, too big, dead), it is killed with all it started. The temporary folder and
   the log stream stay; the next invocation begins at step 1.

Nothing here waits: each step ends by naming the one that follows. What may block is done among the `Chores`.

The exception to AWS: a crash while the handler is imported is reported as the crash that it is, at once. AWS waits for
the timeout and reports that.
"""

import math
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from config import limits
from worker.arn import Arn
from worker.clock import Clock
from worker.function import FunctionConfiguration
from worker.invocation import Attempt, Crashed, Invocation, Lost, OnChunk, Outcome, Succeeded, TimedOut, no_chunk
from worker.log_entry import end_line, start_line
from worker.runtime import entry_point, failures, lines, surroundings, wire
from worker.runtime.api_process import ApiProcess
from worker.runtime.child import CannotStart, Child
from worker.runtime.confinement import NO_WALLS, Confinement, Walls
from worker.runtime.entry_point import EntryPoint, NoEntryPoint
from worker.runtime.launcher import Launch, Launcher
from worker.runtime.log import Log, LogSink
from worker.runtime.process import Ending, Exited, HandlerProcess, Surveillance
from worker.runtime.runtime_api import RuntimeApi
from worker.runtime.surroundings import AwsAccess, Layers
from worker.runtime.verdict import Verdict, judge
from worker.runtime.wire import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(Surveillance):
    """What a worker gives to each of its environments."""

    launcher: Launcher
    runtime_folder: Path  # where a handler finds boto3
    temporary: Path  # where the environments' own folders are made
    access: AwsAccess
    clock: Clock
    sink: LogSink
    walls: Walls = NO_WALLS
    init_timeout: float = limits.INIT_TIMEOUT  # seconds


#: Is handed how an invocation went, or why it could not even begin.
Done = Callable[["Attempt | CannotStart"], object]


@dataclass(frozen=True, slots=True)
class _Started:
    """A process that has just been started."""

    child: Child
    entry: EntryPoint
    api: RuntimeApi | None  # None: it is spoken to over the socket pair


class ExecutionEnvironment:
    """A place where one revision of one function runs, one invocation at a time. Only the loop's thread may use it."""

    def __init__(
        self, function: FunctionConfiguration, code_root: Path, host: Host, layers_root: Path | None = None
    ) -> None:
        """Make the place, in any thread; the process is started by the first invocation.

        `layers_root` is where the function's layers are, None if it has none.

        Raises:
            OSError: the temporary folder could not be made.
        """
        self.function = function
        self._code_root = code_root
        self._layers_root = layers_root
        self._host = host
        self._temporary = Path(tempfile.mkdtemp(dir=host.temporary, prefix=""))
        stream = f"{host.clock.now():%Y/%m/%d}/[{function.version}]{secrets.token_hex(16)}"
        self._log = Log(function.name, stream, host.clock, host.sink, host.chores.do)
        self._log.on_handed_on = self._on_handed_on
        self._process: HandlerProcess | None = None
        self._peak = 0  # most memory, in bytes, that the latest process was seen to hold
        self._is_aborted = False
        self._is_closed = False
        # Of the invocation that is under way:
        self._is_killed = False
        self._invocation: Invocation | None = None
        self._done: Done | None = None
        self._on_chunk: OnChunk = no_chunk
        self._init_ms: float | None = None
        self._started_at = host.clock.now()
        self._begun = 0.0
        self._finished: Attempt | None = None  # while the sink still has a part of its log

    @property
    def is_warm(self) -> bool:
        """Whether the next invocation finds the handler imported."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The process that is warm, if there is one."""
        return self._process.pid if self._process else None

    def invoke(self, invocation: Invocation, done: Done, on_chunk: OnChunk = no_chunk) -> None:
        """Run the handler once, and hand the attempt to `done`, after this has returned.

        If the invocation wants a stream, `on_chunk` is handed the response before that, in one part or as many as the
        handler wrote; the attempt's own response is empty then.

        `done` gets a `CannotStart` if the operating system refused to start the process: the handler did not run then.
        """
        self._invocation, self._done, self._on_chunk = invocation, done, on_chunk
        self._init_ms, self._is_killed = None, False
        process = self._process
        if process is None:
            self._initialise_first()
        elif process.is_idle():
            self._begin()
            self._call(process)
        else:  # it died since it was last used
            self._process = None
            process.end(lambda _: self._initialise_first())

    # --- the init phase -----------------------------------------------------------------------------------------------

    def _initialise_first(self) -> None:
        self._initialise(self._host.init_timeout, "init", self._after_init)

    def _after_init(self, duration_ms: float, verdict: Verdict) -> None:
        self._init_ms = duration_ms
        self._begin()
        if verdict.outcome is None:
            self._call(self._process)
        elif self._is_aborted or self._is_killed:
            self._finish(verdict)
        else:
            self._initialise(self.function.timeout, "invoke", self._after_second_init)

    def _after_second_init(self, _duration_ms: float, verdict: Verdict) -> None:
        if verdict.outcome is None:
            self._call(self._process)
        else:
            self._finish(verdict)

    def _initialise(self, limit: float, phase: str, then: Callable[[float, Verdict], None]) -> None:
        """Start the process and let it import the handler, for `limit` seconds. Then: the time it took, in ms, and how.

        A process that could not do it is ended.
        """
        begun = time.monotonic()

        def after(ending: Ending) -> None:
            verdict = self._judge(ending)
            duration_ms = (time.monotonic() - begun) * 1000
            if verdict.outcome is not None:
                self._log.say(lines.init_report(duration_ms, phase=phase, error_type=verdict.blamed or ""))
            then(duration_ms, verdict)

        def started(started: _Started | NoEntryPoint | CannotStart) -> None:
            if isinstance(started, CannotStart):
                self._deliver(started)
                return
            if isinstance(started, NoEntryPoint):
                after(failures.as_frame(wire.INIT_ERROR, started.error_type, started.message))
                return
            self._log.say(lines.init_start(started.entry.description, Arn.parse(self.function.arn).region))
            self._process = process = self._look_after(started)
            process.receive(begun + limit, lambda ending: self._settle(process, ending, after))
            if self._is_aborted or self._is_killed:
                process.kill()

        self._host.chores.do(self._start, started)

    def _start(self) -> _Started | NoEntryPoint | CannotStart:
        """Start the process, in any thread."""
        entry = entry_point.find(self.function, self._code_root, self._layers_root)
        if isinstance(entry, NoEntryPoint):
            return entry
        api = None
        try:
            api = RuntimeApi() if entry.command is not None else None
            child = self._host.launcher.start(self._launch(entry, api))
        except (CannotStart, OSError) as error:
            if api is not None:
                api.close()
            return error if isinstance(error, CannotStart) else CannotStart(f"No Runtime API could listen: {error}")
        return _Started(child, entry, api)

    def _launch(self, entry: EntryPoint, api: RuntimeApi | None) -> Launch:
        walls = self._host.walls
        layers = Layers(self._layers_root, walls.layers or self._layers_root) if self._layers_root else None
        variables = surroundings.variables(
            self.function,
            access=self._host.access,
            path_folder=entry.path_folder,
            code_root=walls.code_root or self._code_root,
            layers=layers,
            runtime_folder=walls.runtime or self._host.runtime_folder,
            temporary=walls.temporary or self._temporary,
            log_stream=self._log.stream,
            runtime_api=api.address if api is not None else surroundings.NO_RUNTIME_API,
        )
        own = frozenset(self.function.environment or ())
        confinement = Confinement(
            self._temporary.name, self._temporary, self.function.ephemeral_storage, self._layers_root
        )
        return Launch(entry.interpreter, self._code_root, variables, own, entry.command, confinement, self._layers_root)

    def _look_after(self, started: _Started) -> HandlerProcess:
        memory_limit = self.function.memory_size << 20
        output, look = self._take_output, self._log.flush_if_due
        if started.api is None:
            return HandlerProcess(started.child, self._host, memory_limit=memory_limit, output=output, look=look)
        return ApiProcess(
            started.child,
            self._host,
            api=started.api,
            memory_limit=memory_limit,
            output=output,
            look=look,
            on_part=self._take_part,
        )

    # --- the invocation -----------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        invocation = self._invocation
        assert invocation is not None, "an invocation is under way"
        self._started_at = now = self._host.clock.now()
        self._log.say(start_line(invocation.request_id), now=now)
        self._begun = time.monotonic()

    def _call(self, process: HandlerProcess | None) -> None:
        invocation = self._invocation
        assert process is not None, "an invocation is sent to a process that has imported the handler"
        assert invocation is not None, "an invocation is under way"
        deadline = self._begun + self.function.timeout
        header = {
            "id": invocation.request_id,
            "arn": invocation.invoked_arn,
            "ms": (deadline - time.monotonic()) * 1000,
            "trace": invocation.trace_header,
            "client": invocation.client_context,
        }
        if invocation.wants_stream:
            header["stream"] = True
        process.ask(wire.INVOKE, header, invocation.payload, deadline, self._after_call)

    def _after_call(self, ending: Ending) -> None:
        process = self._process
        assert process is not None, "a process answers while it is this environment's"
        if type(ending) is Frame and ending.kind == wire.RESULT and not process.is_over_its_memory:
            self._peak = process.peak
            self._finish(Verdict(Succeeded(self._response(ending.payload)), None))  # the way that nearly all go
        elif isinstance(ending, Exited) and not process.was_asked:
            # It ended after its last answer, before it asked for this invocation: nothing has run.
            self._process = None
            self._initialise(self.function.timeout, "invoke", self._after_second_init)
        else:
            self._settle(process, ending, lambda ending: self._finish(self._judge(ending)))

    def _response(self, payload: bytes) -> bytes:
        """What is left of a response for the attempt, after the caller got his parts."""
        assert self._invocation is not None, "an invocation is under way"
        if not self._invocation.wants_stream:
            return payload
        if payload:
            self._on_chunk(payload)
        return b""

    def _take_part(self, data: bytes) -> None:
        self._on_chunk(data)

    def _settle(self, process: HandlerProcess, ending: Ending, then: Callable[[Ending], None]) -> None:
        """See to it that a process which is of no more use has ended before it is told what came of it."""
        self._peak = process.peak
        if isinstance(ending, Frame) and (
            ending.kind == wire.READY or (ending.kind != wire.INIT_ERROR and not process.is_over_its_memory)
        ):
            then(ending)
            return
        self._process = None
        if isinstance(ending, Exited):
            then(ending)  # it is over already
        else:
            process.end(lambda _: then(ending))

    def _judge(self, ending: Ending) -> Verdict:
        assert self._invocation is not None, "an invocation is under way"
        return judge(ending, self._invocation.request_id, self.function.timeout)

    def _finish(self, verdict: Verdict) -> None:
        invocation = self._invocation
        assert invocation is not None, "an invocation is under way"
        duration_ms = (time.monotonic() - self._begun) * 1000
        peak_mb = math.ceil(self._peak / 1_048_576)
        self._say_how_it_ended(invocation.request_id, verdict, duration_ms, peak_mb)
        attempt = Attempt(
            outcome=self._outcome(verdict),
            started_at=self._started_at,
            duration_ms=duration_ms,
            log_stream=self._log.stream,
            log_tail=self._log.tail() if invocation.is_synchronous else b"",  # before `take`, which begins anew
            log=self._log.take(),
            init_duration_ms=self._init_ms,
            max_memory_mb=peak_mb,
        )
        if self._log.is_handing_on:
            self._finished = attempt  # what comes with it must not be stored before what came earlier
        else:
            self._deliver(attempt)

    def _say_how_it_ended(self, request_id: str, verdict: Verdict, duration_ms: float, peak_mb: int) -> None:
        now = self._host.clock.now()
        match verdict.outcome:
            case Succeeded():
                pass
            case TimedOut():
                self._log.say(lines.timed_out(now, request_id, self.function.timeout), now=now)
            case Crashed(error_message=message, error_type=kind):
                self._log.say(lines.exited(message, kind), now=now)
        report = lines.report(
            request_id,
            duration_ms=duration_ms,
            memory_size=self.function.memory_size,
            max_memory_mb=peak_mb,
            init_duration_ms=self._init_ms,
            error_type=verdict.blamed,
        )
        self._log.say(end_line(request_id), report, now=now)

    def _outcome(self, verdict: Verdict) -> Outcome:
        if self._is_aborted and isinstance(verdict.outcome, Crashed):
            return Lost("The worker ended its environments while the function ran. Nothing is known of what it did.")
        assert verdict.outcome is not None, "an exchange with a ready process ends with an outcome"
        return verdict.outcome

    def _deliver(self, result: Attempt | CannotStart) -> None:
        done, self._done = self._done, None
        assert done is not None, "an invocation is answered once"
        done(result)

    # --- the log ------------------------------------------------------------------------------------------------------

    def _take_output(self, data: bytes) -> None:
        self._log.write(data)
        if self._log.is_full and self._process is not None:
            self._process.pause_output()

    def _on_handed_on(self) -> None:
        if self._process is not None and not self._log.is_full:
            self._process.resume_output()
        attempt = self._finished
        if attempt is not None and not self._log.is_handing_on:
            self._finished = None
            self._deliver(attempt)

    # --- the end ------------------------------------------------------------------------------------------------------

    def pause_response(self) -> None:
        """Take in nothing more of a streamed response, for now."""
        if self._process is not None:
            self._process.pause_response()

    def resume_response(self) -> None:
        """Take in again what the handler sends of its response."""
        if self._process is not None:
            self._process.resume_response()

    def kill(self) -> None:
        """Kill what runs: the invocation ends as `Crashed`, as if the process had been killed from outside."""
        self._is_killed = True
        if self._process is not None:
            self._process.kill()

    def abort(self) -> None:
        """Kill what runs: the invocation ends as `Lost`, because the function is not to blame."""
        self._is_aborted = True
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process with all it started, remove the temporary folder, and hand on the last of the log.

        Not while an invocation is under way. It has come to its end when the chores are done.
        """
        if self._is_closed:
            return
        self._is_closed = True
        process, self._process = self._process, None
        if process is not None:
            process.end(lambda _: self._remove())
        else:
            self._remove()

    def _remove(self) -> None:
        self._log.close()
        # What cannot be removed now is removed with the folder around it, by a worker that starts later.
        self._host.chores.do(self._remove_files, lambda _: None)

    def _remove_files(self) -> None:
        self._host.launcher.forget(self._temporary.name)
        shutil.rmtree(self._temporary, ignore_errors=True)

    def __repr__(self) -> str:
        state = f"pid {self.pid}" if self.is_warm else "cold"
        return f"<ExecutionEnvironment {self.function.name} {self.function.revision_id} {state}>"
