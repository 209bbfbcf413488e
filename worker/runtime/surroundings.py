"""The environment variables of a handler's process: AWS's, the user's, and none of ours.

Only a few point elsewhere than on AWS. `AWS_ENDPOINT_URL` leads SDKs to this system. `TMPDIR` and `HOME` are a folder
that belongs to the environment alone: so a handler neither reads the operator's `~/.aws` nor writes into his home.
`LAMBDA_TASK_ROOT` and `LAMBDA_RUNTIME_DIR` are where code and boto3 really lie. The user's variables may replace what
AWS lets them replace (`PATH`, `TZ`, `PYTHONPATH`, …), never what tells the handler who it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from worker.arn import Arn
from worker.function import FunctionConfiguration


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """How a handler's own AWS calls reach this system: where it listens, and what they are signed with."""

    endpoint_url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)  # empty: SDKs sign without one


def read_at_start(interpreter: str, runtime_folder: Path) -> Mapping[str, str]:
    """Those variables that an interpreter reads when it starts, as they are unless the user has others."""
    return {
        "LANG": "en_US.UTF-8",
        "LC_CTYPE": "C.UTF-8",
        "PATH": f"{Path(interpreter).parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(runtime_folder),
        "TZ": ":UTC",
    }


def variables(
    function: FunctionConfiguration,
    *,
    access: AwsAccess,
    interpreter: str,
    code_root: Path,
    layers_root: Path | None,
    runtime_folder: Path,
    temporary: Path,
    log_stream: str,
) -> Mapping[str, str]:
    """All variables of a new process but `_X_AMZN_TRACE_ID`, which comes with each invocation.

    `layers_root` is where the function's layers lie over each other, which is `/opt` on AWS; None if it has none.
    """
    region = Arn.parse(function.arn).region
    replaceable = {
        **read_at_start(interpreter, runtime_folder),
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
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": "169.254.100.1:9001",
        "AWS_REGION": region,
        "AWS_SECRET_ACCESS_KEY": access.secret_access_key,
        "AWS_SESSION_TOKEN": access.session_token,
        "LAMBDA_RUNTIME_DIR": str(runtime_folder),
        "LAMBDA_TASK_ROOT": str(code_root),
    }
    chosen = {**replaceable, **(function.environment or {}), **reserved}
    return chosen if layers_root is None else _with_layers(chosen, function, layers_root)


def _with_layers(variables: Mapping[str, str], function: FunctionConfiguration, opt: Path) -> Mapping[str, str]:
    """The variables of a function with layers: what they bring is found, though after what the user himself names.

    Source: AWS Lambda Developer Guide, "Layer paths for each Lambda runtime". boto3 of a layer hides ours, as there.
    """
    python = [opt / "python" / "lib" / function.runtime / "site-packages", opt / "python"]
    bring = {
        "PATH": [opt / "bin"],
        "LD_LIBRARY_PATH": [opt / "lib"],
        "NODE_PATH": [opt / "nodejs" / "node_modules"],
        "PYTHONPATH": [folder for folder in python if folder.is_dir()],
    }
    added = {name: ":".join(map(str, folders)) for name, folders in bring.items()}
    joined = {name: ":".join(filter(None, (variables.get(name), value))) for name, value in added.items()}
    if "PYTHONPATH" not in (function.environment or {}):  # else boto3 is found all the same
        joined["PYTHONPATH"] = ":".join(filter(None, (added["PYTHONPATH"], variables["PYTHONPATH"])))
    return {**variables, **joined}
