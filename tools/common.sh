# Functions that the scripts of this folder share; they source this file first.

set -euo pipefail
((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) || {
    echo "$(basename "$0"): bash $BASH_VERSION is too old: use 4.4 or newer, on macOS by 'brew install bash'." >&2
    exit 1
}

TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(dirname "$TOOLS")

# usage GIVEN NEEDED TEXT: explain the script when arguments are missing.
usage() {
    if (($1 < $2)); then
        echo "Usage: bash tools/$(basename "$0") $3" >&2
        exit 2
    fi
}

# fail SENTENCE: end the script.
fail() {
    echo "$(basename "$0"): $1" >&2
    exit 1
}

# free_port: print a port that no process uses.
free_port() {
    python -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'
}

# torchrun_tool TOOL PROCESSES ARGUMENTS...: run a tool in several processes.
torchrun_tool() {
    local nnodes=${NNODES:-1} port=${PORT:-}
    if [[ -z $port ]]; then
        # All machines must use the same port, so only a single machine may pick any.
        port=29500
        ((nnodes > 1)) || port=$(free_port)
    fi
    OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} python -m torch.distributed.run \
        --nnodes="$nnodes" \
        --node_rank="${NODE_RANK:-0}" \
        --master_addr="${MASTER_ADDR:-127.0.0.1}" \
        --nproc_per_node="$2" \
        --master_port="$port" \
        "$TOOLS/$1" "${@:3}" --launcher pytorch
}

# srun_tool PARTITION JOB_NAME TOOL ARGUMENTS...: run a tool under Slurm.
srun_tool() {
    local per_node=${GPUS_PER_NODE:-8} extra=()
    read -ra extra <<<"${SRUN_ARGS:-}"
    set -x
    srun -p "$1" \
        --job-name="$2" \
        --gres="gpu:$per_node" \
        --ntasks="${GPUS:-8}" \
        --ntasks-per-node="$per_node" \
        --cpus-per-task="${CPUS_PER_TASK:-5}" \
        --kill-on-bad-exit=1 \
        "${extra[@]}" \
        python -u "$TOOLS/$3" "${@:4}"
}

# last_checkpoint WORK_DIR: print the newest checkpoint of a run, if there is one.
last_checkpoint() {
    local recorded
    [[ -f $1/last_checkpoint ]] || return 0
    recorded=$1/$(basename "$(<"$1/last_checkpoint")")
    [[ ! -f $recorded ]] || echo "$recorded"
}

# has_metrics FILE: whether a test has written a complete file.
has_metrics() {
    python -c 'import json, sys; sys.exit(not json.load(open(sys.argv[1])))' "$1" 2>/dev/null
}

# refuse_older STAGE1_WORK_DIR STAGE2_WORK_DIR: refuse a stage 2 of an earlier stage 1.
refuse_older() {
    local first second
    first=$(last_checkpoint "$1")
    second=$(last_checkpoint "$2")
    [[ -z $second || ! $first -nt $second ]] ||
        fail "$2 started from an older stage 1 than that in $1: delete $2 to train it again."
}
