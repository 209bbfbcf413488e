#!/bin/sh
# Make .venv with the command `thrice` in it, from pins with hashes.
#
#   scripts/setup.sh runtime    what `thrice` needs to run
#   scripts/setup.sh dev        that, and what the tests and checks need
#
# Runs again only when the lock or this project's metadata changed. Uses uv where it is on the PATH, pip otherwise.
set -eu
cd "$(dirname "$0")/.."

kind=${1:-runtime}
lock=requirements/$kind.txt
[ -f "$lock" ] || { echo "setup: there is no lock '$lock'; the kinds are 'runtime' and 'dev'." >&2; exit 2; }

find_python() {
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "setup: no Python 3.11 or newer was found on the PATH. Install one, or name it: make PYTHON=/path/to/python3.11" >&2
    exit 1
}

fingerprint() { cat "requirements/$1.txt" pyproject.toml scripts/setup.sh | cksum; }
is_installed() { [ "$(cat ".venv/.$1-is-installed" 2>/dev/null)" = "$(fingerprint "$1")" ]; }

if is_installed "$kind"; then exit 0; fi
# The development lock contains the runtime lock.
if [ "$kind" = runtime ] && is_installed dev; then exit 0; fi

echo "setup: installing the $kind dependencies into .venv (once; a minute or less)" >&2
if [ ! -x .venv/bin/python ]; then
    python=$(find_python)
    "$python" -m venv .venv || {
        echo "setup: '$python -m venv' failed. On Debian and Ubuntu: apt-get install python3-venv" >&2
        exit 1
    }
fi
# uv_build looks for its program on the PATH.
PATH="$PWD/.venv/bin:$PATH"
if command -v uv >/dev/null 2>&1; then
    uv pip install --quiet --python .venv/bin/python --require-hashes --only-binary :all: -r "$lock"
    uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
else
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$lock"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
fi
fingerprint "$kind" > ".venv/.$kind-is-installed"
