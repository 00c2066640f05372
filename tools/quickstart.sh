#!/usr/bin/env bash
# Train and compare cross entropy and both stages of CC-SAM on long-tailed handwritten
# digits, real images that need no download; print a table and draw a picture. It takes
# minutes on a laptop. A second call reuses finished trainings and resumes others.

source "$(dirname "$0")/common.sh"
source "$TOOLS/environment.sh"

use_environment
cd "$REPO"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

# show_progress LABEL: condense MMEngine's log to a line per run.
show_progress() {
    local line shown
    while IFS= read -r line; do
        [[ $line =~ Epoch\(train\)\ *\[\ *([0-9]+)\].*eta:\ ([0-9:]+).*\ loss:\ ([^ ]+) ]] || continue
        shown="$1: epoch ${BASH_REMATCH[1]}, loss ${BASH_REMATCH[3]}, ${BASH_REMATCH[2]} to go"
        if [[ -t 1 ]]; then
            printf '\r%s   ' "$shown"
        elif ((BASH_REMATCH[1] % 20 == 0)); then
            echo "$shown"
        fi
    done
    [[ ! -t 1 ]] || echo
}

# run_logged LOG COMMAND...: run a command with its output in a file, shown if it fails.
run_logged() {
    "${@:2}" 2>&1 | tee "$1" | show_progress "$label" || {
        tail -n 20 "$1" >&2
        fail "$label failed; the whole log is in $1"
    }
}

# train_and_test LABEL CONFIG
train_and_test() {
    local label=$1 config=$2 work_dir checkpoint
    work_dir=work_dirs/$(basename "$config" .py)
    checkpoint=$(last_checkpoint "$work_dir")
    results+=("$label=$work_dir/metrics.json")
    if [[ $work_dir/metrics.json -nt $config && $work_dir/metrics.json -nt $checkpoint ]] &&
        has_metrics "$work_dir/metrics.json"; then
        echo "== $label: reusing $work_dir (delete it to train again)"
        return
    fi
    mkdir -p "$work_dir"
    if [[ -n $checkpoint ]]; then
        [[ ! $config -nt $checkpoint ]] ||
            fail "$config is newer than $checkpoint: delete $work_dir to train again."
        echo "== $label: resuming from $checkpoint"
    else
        echo "== $label: training $config"
    fi
    run_logged "$work_dir/train.log" python tools/train.py "$config" --resume
    run_logged "$work_dir/test.log" python tools/test.py "$config" \
        "$(last_checkpoint "$work_dir")" --out "$work_dir/metrics.json" --out-item metrics
}

results=()
train_and_test 'cross entropy' configs/baselines/ce/digits_lt_r20_ce.py
train_and_test 'CC-SAM stage 1' configs/ccsam/digits_lt_r20_stage1.py
refuse_older work_dirs/digits_lt_r20_stage{1,2}
train_and_test 'CC-SAM stage 2' configs/ccsam/digits_lt_r20_stage2.py

echo
python tools/analysis_tools/compare_results.py "${results[@]}" --out work_dirs/quickstart.png
