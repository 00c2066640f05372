#!/usr/bin/env bash
# Install the requirements of the tests and run them; arguments go to pytest.

source "$(dirname "$0")/common.sh"
source "$TOOLS/environment.sh"

use_environment tests
cd "$REPO"
# The tests are many small computations: threads would only wait for each other, but
# test files can be distributed to processes (-n 0 keeps one, for a debugger).
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} python -m pytest \
    -n auto --maxprocesses 4 --dist loadfile "$@"
