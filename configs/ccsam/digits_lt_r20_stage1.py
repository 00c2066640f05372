# CC-SAM, stage 1, on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/ccsam/digits_lt_r20_stage1.py
# Checked: run (README).
_base_ = [
    '../_base_/models/resnet20_small.py',
    '../_base_/datasets/digits_lt.py',
    '../_base_/schedules/cifar_200e.py',
    '../_base_/default_runtime.py',
]

# The setting with the best validation accuracy after stage 2: docs/results.md.
optim_wrapper = dict(
    type='CCSAMOptimWrapper', perturb='head', rho_scale=0.01, max_relative_norm=0.1
)

# The schedule's lr at this data set's batch size.
auto_scale_lr = dict(base_batch_size=32)
