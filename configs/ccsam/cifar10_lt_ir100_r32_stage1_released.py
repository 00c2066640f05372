# CC-SAM's released code, stage 1, on CIFAR-10-LT (imbalance 100), 30-layer ResNet-32.
#   python tools/train.py configs/ccsam/cifar10_lt_ir100_r32_stage1_released.py
# The paper's Table 1 has 83.92 % top-1 after stage 2 (theirs: best test epoch).
# Unlike theirs, mixed images keep soft labels in the perturbed loss, too.
# Checked: builds and steps; not run at full length.
_base_ = [
    '../_base_/models/resnet32_released.py',
    '../_base_/datasets/cifar10_lt.py',
    '../_base_/schedules/cifar_200e_released.py',
    '../_base_/default_runtime.py',
]

model = dict(train_cfg=dict(augments=dict(type='Mixup', alpha=1.0)))

# The final linear layer; a radius that is numerically zero (so it does not matter that
# they take norms per tensor); 0.3 of the perturbed and 0.7 of the clean loss.
optim_wrapper = dict(
    type='CCSAMOptimWrapper', perturb='head.fc', rho_scale=1e-6, perturbed_weight=0.3
)

train_dataloader = dict(drop_last=True)
