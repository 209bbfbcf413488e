"""What `celery -A benchmarks.celery_worker worker` loads: the application, as variables say."""

import os

from benchmarks import transports
from benchmarks.celery_app import celery_app

app = celery_app(transports.BY_NAME[os.environ["BENCH_TRANSPORT"]], os.environ["BENCH_BROKER"])
