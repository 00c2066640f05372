#!/usr/bin/env bash
# Train on the GPUs of one or more machines; without GPUs, in as many CPU processes.

source "$(dirname "$0")/common.sh"
usage $# 2 'CONFIG GPUS [options of tools/train.py]

Environment: NNODES (1), NODE_RANK (0), MASTER_ADDR (127.0.0.1), PORT (a free one; several
machines: 29500)'

torchrun_tool train.py "$2" "$1" "${@:3}"
