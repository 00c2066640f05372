#!/usr/bin/env bash
# Train both stages of a CC-SAM config and test each. Stages that an earlier call has
# finished are not trained again, killed ones are resumed.

source "$(dirname "$0")/common.sh"
usage $# 1 'CONFIG_PREFIX [GPUS] [options of tools/train.py]

For example, configs/ccsam/digits_lt_r20 stands for configs/ccsam/digits_lt_r20_stage1.py
and configs/ccsam/digits_lt_r20_stage2.py. The config of either stage is accepted, too, also
of pairs such as X_stage1_released.py and X_stage2_released.py. Results go to work_dirs/.'

FOLDER=$(dirname "$1")
NAME=$(basename "$1")
[[ $NAME == *_stage[12]*.py ]] || NAME=${NAME}_stage1.py
shift
GPUS=
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    GPUS=$1
    shift
fi
# The test gets --cfg-options, too: they may change the network or the data.
cfg_options=()
for argument in "$@"; do
    case $argument in
        --cfg-options*) collects=1 ;;
        --*) collects= ;;
    esac
    [[ -z ${collects:-} ]] || cfg_options+=("$argument")
    case $argument in
        --work-dir* | --resume*)
            fail "leave out $argument: the stages find each other in work_dirs/, and are resumed automatically."
            ;;
    esac
done

# run TOOL ARGUMENTS...: run a tool in one process, or in GPUS processes.
run() {
    if [[ -n $GPUS ]]; then
        torchrun_tool "$1" "$GPUS" "${@:2}"
    else
        python "$TOOLS/$1" "${@:2}"
    fi
}

# config_of STAGE: print the path of a stage's config.
config_of() {
    echo "$FOLDER/${NAME/_stage[12]/_$1}"
}

for stage in stage1 stage2; do
    config=$(config_of "$stage")
    [[ -f $config ]] || fail "$config does not exist: give the part before _stage1.py and _stage2.py, or one of the two configs."
done
for stage in stage1 stage2; do
    config=$(config_of "$stage")
    work_dir=work_dirs/$(basename "$config" .py)
    [[ $stage == stage1 ]] || refuse_older "$before" "$work_dir"
    before=$work_dir
    checkpoint=$(last_checkpoint "$work_dir")
    if [[ -n $checkpoint ]]; then
        echo "== $stage: reusing $checkpoint; missing epochs are trained now"
    else
        echo "== $stage: training $config"
    fi
    run train.py "$config" --resume "$@"
    checkpoint=$(last_checkpoint "$work_dir")
    if [[ $work_dir/metrics.json -nt $checkpoint ]] && has_metrics "$work_dir/metrics.json"; then
        echo "== $stage: reusing the test of $checkpoint"
    else
        echo "== $stage: testing $checkpoint"
        run test.py "$config" "$checkpoint" --out "$work_dir/metrics.json" \
            --out-item metrics "${cfg_options[@]}"
    fi
    echo "== $stage: results are in $work_dir/metrics.json"
done
