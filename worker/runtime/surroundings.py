"""The environment variables of a handler's process: AWS's, the user's, and none of ours.

Only a few point elsewhere than on AWS. `AWS_ENDPOINT_URL` leads SDKs to this system. `TMPDIR` and `HOME` are a folder
that belongs to the environment alone: so a handler neither reads the operator's `~/.aws` nor writes into his home.
`LAMBDA_TASK_ROOT` and `LAMBDA_RUNTIME_DIR` are where the process sees code and boto3. The user's variables may replace
what AWS lets them replace (`PATH`, `TZ`, `PYTHONPATH`, …), never what tells the handler who it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from worker.arn import Arn
from worker.function import FunctionConfiguration
from worker.runtime.runtimes import RUNTIMES, Family


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """How a handler's own AWS calls reach this system: where it listens, and what they are signed with."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)  # empty: SDKs sign without one


#: AWS_LAMBDA_RUNTIME_API of a process that needs none: AWS's own address, where nobody listens here.
NO_RUNTIME_API = "169.254.100.1:9001"

#: Where layers lie on AWS, and where a handler with a root of its own sees them.
OPT = Path("/opt")


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers of a function, over each other in one folder."""

    folder: Path  # where they lie
    seen_at: Path  # where the handler sees that folder


def read_at_start(path_folder: str | None, runtime_folder: Path) -> Mapping[str, str]:
    """Those variables that an interpreter reads when it starts, as they are unless the user has others.

    `path_folder` is where the interpreter lies; it comes first on the PATH.
    """
    return {
        "LANG": "en_US.UTF-8",
        "LC_CTYPE": "C.UTF-8",
        "PATH": ":".join(filter(None, (path_folder, "/usr/local/bin:/usr/bin:/bin"))),
        "PYTHONPATH": str(runtime_folder),
        "TZ": ":UTC",
    }


def variables(
    function: FunctionConfiguration,
    *,
    access: AwsAccess,
    path_folder: str | None,
    code_root: Path,
    layers: Layers | None,
    runtime_folder: Path,
    temporary: Path,
    log_stream: str,
    runtime_api: str,
) -> Mapping[str, str]:
    """All variables of a new process but `_X_AMZN_TRACE_ID`, which comes with each invocation.

    `path_folder` comes first on the PATH; `runtime_api` is host and port.
    """
    family, version = RUNTIMES[function.runtime]
    opt = layers.seen_at if layers is not None else OPT
    region = Arn.parse(function.arn).region
    replaceable = {
        **read_at_start(path_folder, runtime_folder),
        **({"NODE_PATH": _node_path(opt, version[0])} if family is Family.NODE else {}),
        "AWS_ENDPOINT_URL": access.endpoint_url,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "HOME": str(temporary),
        "LD_LIBRARY_PATH": f"{code_root}:{code_root / 'lib'}",
        "PWD": str(code_root),
        "SHLVL": "0",
        "TMPDIR": str(temporary),
    }
    reserved = {
        "_HANDLER": function.handler,
        "AWS_ACCESS_KEY_ID": access.access_key_id,
        "AWS_DEFAULT_REGION": region,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_REGION": region,
        "AWS_SECRET_ACCESS_KEY": access.secret_access_key,
        "AWS_SESSION_TOKEN": access.session_token,
        "LAMBDA_RUNTIME_DIR": str(runtime_folder),
        "LAMBDA_TASK_ROOT": str(code_root),
    }
    if family is not Family.PYTHON:
        del replaceable["PYTHONPATH"]  # boto3 is Python's; a program that runs Python by itself brings its own
    if family is not Family.PROVIDED:  # so AWS
        reserved["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{function.runtime}"
    chosen = {**replaceable, **(function.environment or {}), **reserved}
    return chosen if layers is None else _with_layers(chosen, function, layers)


def _node_path(opt: Path, major: int) -> str:
    """Where Node.js looks for packages beside the function's own, as on Lambda: what layers bring."""
    return f"{opt}/nodejs/node{major}/node_modules:{opt}/nodejs/node_modules"


def _with_layers(variables: Mapping[str, str], function: FunctionConfiguration, layers: Layers) -> Mapping[str, str]:
    """The variables of a function with layers: what they bring is found, though after what the user himself names.

    Source: AWS Lambda Developer Guide, "Layer paths for each Lambda runtime". boto3 of a layer hides ours, as there.
    """
    opt = layers.seen_at
    added = {"PATH": f"{opt}/bin", "LD_LIBRARY_PATH": f"{opt}/lib"}
    joined = {name: ":".join(filter(None, (variables.get(name), value))) for name, value in added.items()}
    family, _ = RUNTIMES[function.runtime]
    if family is Family.PYTHON:
        folders = (f"python/lib/{function.runtime}/site-packages", "python")
        brought = [f"{opt}/{folder}" for folder in folders if (layers.folder / folder).is_dir()]
        is_own = "PYTHONPATH" in (function.environment or {})  # then boto3 is found all the same
        first, last = ([variables["PYTHONPATH"]], brought) if is_own else (brought, [variables["PYTHONPATH"]])
        joined["PYTHONPATH"] = ":".join(filter(None, [*first, *last]))
    return {**variables, **joined}
