"""What a function is asked for that it has only one answer to, and its recursion."""

import pytest

from tests.lambda_.system import ARN, System


@pytest.mark.parity("concurrency.provisioned", "control.in-passing")
def test_what_terraform_and_sam_ask_in_passing_is_answered(system: System) -> None:
    """As AWS answers for a function that has no such thing."""
    system.create(Publish=True)

    assert system.call("GetFunctionCodeSigningConfig", FunctionName="f") == {
        "CodeSigningConfigArn": "", "FunctionName": "f",
    }  # fmt: skip
    assert system.call("ListFunctionUrlConfigs", FunctionName="f") == {"FunctionUrlConfigs": []}
    assert system.refusal("GetFunctionUrlConfig", FunctionName="f")[:3] == (
        "ResourceNotFoundException", 404, "The resource you requested does not exist.",
    )  # fmt: skip
    runtime = {"UpdateRuntimeOn": "Auto", "FunctionArn": f"{ARN}:1"}
    assert runtime == system.call("GetRuntimeManagementConfig", FunctionName="f", Qualifier="1")
    assert runtime == system.call("PutRuntimeManagementConfig", FunctionName="f", Qualifier="1", UpdateRuntimeOn="Auto")
    assert system.refusal("PutRuntimeManagementConfig", FunctionName="f", UpdateRuntimeOn="FunctionUpdate")[1] == 400
    assert system.call("ListProvisionedConcurrencyConfigs", FunctionName="f") == {"ProvisionedConcurrencyConfigs": []}
    provisioned = system.refusal("GetProvisionedConcurrencyConfig", FunctionName="f", Qualifier="1")
    assert provisioned[:2] == ("ProvisionedConcurrencyConfigNotFoundException", 404)
    refusal = system.refusal(
        "PutProvisionedConcurrencyConfig", FunctionName="f", Qualifier="1", ProvisionedConcurrentExecutions=5
    )
    assert "is not offered by thrice" in refusal[2]


@pytest.mark.parity("recursion-config.default", "recursion-config.missing")
def test_recursion_is_terminated_unless_it_is_allowed(system: System) -> None:
    """The setting is kept, and has a default."""
    system.create()
    before = system.call("GetFunctionRecursionConfig", FunctionName="f")

    answer = system.call("PutFunctionRecursionConfig", FunctionName="f", RecursiveLoop="Allow")

    after = system.call("GetFunctionRecursionConfig", FunctionName="f")
    assert [before, answer, after] == [{"RecursiveLoop": each} for each in ("Terminate", "Allow", "Allow")]
    assert system.refusal("GetFunctionRecursionConfig", FunctionName="g")[1] == 404
