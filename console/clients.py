"""boto3's clients for the running system, with the credentials in the data folder."""

from functools import cached_property
from typing import Any

import boto3.session
from botocore.config import Config

from config.credentials import read_credentials
from config.settings import Settings


class Clients:
    """One client for each service, made when it is first asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _session(self) -> Any:
        credentials = read_credentials(self._settings)
        return boto3.session.Session(
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            region_name=self._settings.region,
        )

    def _client(self, service: str, *, read_timeout: int = 60) -> Any:
        config = Config(retries={"mode": "standard", "max_attempts": 2}, read_timeout=read_timeout, connect_timeout=5)
        return self._session.client(service, endpoint_url=self._settings.gateway_url, config=config)

    @cached_property
    def lambda_(self) -> Any:
        """Lambda; a synchronous call may take 15 minutes."""
        return self._client("lambda", read_timeout=960)

    @cached_property
    def sqs(self) -> Any:
        """SQS."""
        return self._client("sqs")

    @cached_property
    def sns(self) -> Any:
        """SNS."""
        return self._client("sns")

    @cached_property
    def s3(self) -> Any:
        """S3."""
        return self._client("s3")

    @cached_property
    def events(self) -> Any:
        """EventBridge."""
        return self._client("events")

    @cached_property
    def logs(self) -> Any:
        """CloudWatch Logs."""
        return self._client("logs")
