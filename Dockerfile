# One image for every part: the command decides which. Built from pins with hashes, runs as an ordinary user.
FROM python:3.11-slim-bookworm

WORKDIR /opt/thrice
COPY requirements/runtime.txt requirements/runtime.txt
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/runtime.txt
ENV PATH="/opt/thrice/.venv/bin:$PATH" PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1

COPY pyproject.toml README.md ./
COPY config config
COPY worker worker
COPY producers producers
COPY console console
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && useradd --uid 10001 --create-home thrice \
    && install -d -o 10001 -g 10001 -m 700 /data
USER 10001:10001
ENV THRICE_DATA_DIR=/data
VOLUME /data
EXPOSE 4566
CMD ["thrice", "gateway"]
