# Weight balancing, stage 2, on small Fashion-MNIST-LT (14x14, 1000 .. 10 images), ResNet-8.
# Loads the checkpoint of configs/baselines/weight_balancing/fashion_mnist_lt_small_r8_weight_balancing_stage1.py automatically.
#   python tools/train.py configs/baselines/weight_balancing/fashion_mnist_lt_small_r8_weight_balancing_stage2.py
# The authors' rate, weight decay, norm bound and weights, on cross entropy.
# Checked: run (docs/results.md).
_base_ = '../../ccsam/fashion_mnist_lt_small_r8_stage2.py'

model = dict(
    head=dict(type='LinearClsHead', loss=dict(type='SoftmaxFocalLoss', gamma=0.0))
)
optim_wrapper = dict(optimizer=dict(lr=0.01, weight_decay=0.1))
train_dataloader = dict(
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True)
)
default_hooks = dict(
    class_weight=dict(type='ClassWeightHook'), max_norm=dict(type='MaxNormHook')
)
