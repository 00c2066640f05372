#!/usr/bin/env bash
# Test under Slurm.

source "$(dirname "$0")/common.sh"
usage $# 4 'PARTITION JOB_NAME CONFIG CHECKPOINT [options of tools/test.py]

Environment: GPUS (8), GPUS_PER_NODE (8), CPUS_PER_TASK (5), SRUN_ARGS'

srun_tool "$1" "$2" test.py "$3" "$4" --launcher=slurm "${@:5}"
