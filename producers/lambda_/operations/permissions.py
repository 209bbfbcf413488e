"""Resource policies: who may invoke a function, a version or an alias, as far as the user has said so."""

from producers.lambda_ import policy
from producers.lambda_.errors import function_not_found, invalid_parameter, not_found
from producers.lambda_.names import FunctionName as Name
from producers.lambda_.operations.steps import Answer, Operations, check_qualifier
from producers.lambda_.policy import Policy
from producers.seams import Request
from worker.function import LATEST
from worker.identity import new_request_id
from worker.registry import FunctionMissing


class Permissions(Operations):
    """AddPermission, RemovePermission, GetPolicy."""

    def add_permission(
        self,
        request: Request,
        FunctionName: str,
        StatementId: str,
        Action: str,
        Principal: str,
        SourceArn: str | None = None,
        SourceAccount: str | None = None,
        EventSourceToken: str | None = None,
        Qualifier: str | None = None,
        RevisionId: str | None = None,
        PrincipalOrgID: str | None = None,
    ) -> Answer:
        """Add a statement to the policy of the function, or of the version or alias that is named."""
        name = self._name(request, FunctionName, Qualifier)
        _refuse_latest(name)
        new = policy.statement(
            name.asked_arn,
            statement_id=StatementId,
            action=Action,
            principal=Principal,
            source_arn=SourceArn,
            source_account=SourceAccount,
            event_source_token=EventSourceToken,
            organisation=PrincipalOrgID,
        )
        check_qualifier(self._function(name), name)
        try:
            self._registry.update_policy(
                name.name,
                lambda stored: policy.added(_policy(stored), new, RevisionId, new_request_id()).dumps(),
                name.qualifier,
            )
        except FunctionMissing:
            raise function_not_found(name.asked_arn) from None
        return {"Statement": policy.text_of(new)}

    def remove_permission(
        self,
        request: Request,
        FunctionName: str,
        StatementId: str,
        Qualifier: str | None = None,
        RevisionId: str | None = None,
    ) -> Answer:
        """Remove a statement from a policy."""
        name = self._name(request, FunctionName, Qualifier)
        _refuse_latest(name)
        function = self._registry.get(name.name)
        if function is None:
            raise not_found(f"No policy found for: {name.asked_arn}")
        check_qualifier(function, name)

        def change(stored: bytes | None) -> bytes | None:
            left = policy.removed(_policy(stored), StatementId, RevisionId, new_request_id())
            return left.dumps() if left else None

        try:
            self._registry.update_policy(name.name, change, name.qualifier)
        except FunctionMissing:
            raise not_found(f"No policy found for: {name.asked_arn}") from None
        return {}

    def get_policy(self, request: Request, FunctionName: str, Qualifier: str | None = None) -> Answer:
        """A policy, as a JSON text."""
        name = self._name(request, FunctionName, Qualifier)
        found = None if name.qualifier == LATEST else _policy(self._registry.policy(name.name, name.qualifier))
        if found is None:
            raise not_found("The resource you requested does not exist.")
        return {"Policy": found.document(), "RevisionId": found.revision_id}


def _refuse_latest(name: Name) -> None:
    if name.qualifier == LATEST:
        raise invalid_parameter("We currently do not support adding policies for $LATEST.")


def _policy(stored: bytes | None) -> Policy | None:
    return None if stored is None else Policy.loads(stored)
