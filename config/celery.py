"""Celery's settings, each with its why. `worker/celery.py` applies them."""

from typing import Any

from config import redis
from config.settings import Settings


def celery_settings(settings: Settings, namespace: str, invocations: str, calls: str) -> dict[str, Any]:
    """The settings of the worker's application. `invocations` and `calls` are the names of its two queues."""
    return {
        "broker_url": redis.celery_url(settings),
        # By itself kombu takes any certificate if the URL has no ssl_… option; those of the URL hold instead of this.
        "broker_use_ssl": {"ssl_cert_reqs": "required"} if redis.celery_url(settings).startswith("rediss:") else None,
        # A synchronous caller waits, so its queue is claimed from first.
        "task_queues": _queues(calls, invocations),
        "task_default_queue": invocations,
        "broker_transport_options": {
            "namespace": namespace,
            "scripts": "worker.scripts:LIBRARY",
            "socket_keepalive": None if "socket://" in redis.celery_url(settings) else True,
        },
        "worker_pool": "worker.pool:TaskPool",
        "worker_consumer": "worker.strategy:EventConsumer",
        "worker_concurrency": settings.concurrency,
        # An event's message goes when its outcome is settled, whatever Celery says; any other task's when it has ended.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # The transport's window. The pool says how much of it each function may have (worker/slots.py).
        "worker_prefetch_multiplier": 16,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "result_backend": None,
        "task_serializer": "json",
        "accept_content": ["json"],  # never pickle: whoever can write to Redis must not run code
        # Nobody listens unless they ask: `celery events` and Flower switch them on.
        "worker_send_task_events": False,
        # Redis refusing a command (OOM, LOADING, READONLY) is an outage like another, not a reason to exit.
        "broker_channel_error_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_retry": True,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_log_format": "%(asctime)s %(levelname)s %(message)s",
        "enable_utc": True,
        "timezone": "UTC",
        "include": ["worker.tasks", "producers.tasks"],
    }


def _queues(*names: str) -> list[Any]:
    from kombu import Queue  # noqa: PLC0415 - the settings are read by programs that never load Celery

    return [Queue(name, routing_key=name, exchange="") for name in names]
