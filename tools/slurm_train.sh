#!/usr/bin/env bash
# Train under Slurm.

source "$(dirname "$0")/common.sh"
usage $# 4 'PARTITION JOB_NAME CONFIG WORK_DIR [options of tools/train.py]

Environment: GPUS (8), GPUS_PER_NODE (8), CPUS_PER_TASK (5), SRUN_ARGS'

srun_tool "$1" "$2" train.py "$3" --work-dir="$4" --launcher=slurm "${@:5}"
