#!/usr/bin/env bash
# Test on the GPUs of one or more machines; without GPUs, in as many CPU processes.

source "$(dirname "$0")/common.sh"
usage $# 3 'CONFIG CHECKPOINT GPUS [options of tools/test.py]

Environment: NNODES (1), NODE_RANK (0), MASTER_ADDR (127.0.0.1), PORT (a free one; several
machines: 29500)'

torchrun_tool test.py "$3" "$1" "$2" "${@:4}"
