# GCL, stage 2, on small Fashion-MNIST-LT (14x14, 1000 .. 10 images), ResNet-8.
# Loads the checkpoint of configs/baselines/gcl/fashion_mnist_lt_small_r8_gcl.py automatically.
#   python tools/train.py configs/baselines/gcl/fashion_mnist_lt_small_r8_gcl_stage2.py
# Loss, sampler, rate and Mixup of the authors' code for CIFAR.
# Checked: run (docs/results.md).
_base_ = '../../ccsam/fashion_mnist_lt_small_r8_stage2.py'

model = dict(
    head=dict(
        type='CosineLinearClsHead',
        loss=dict(type='GCLLoss', margin=0.1, scale=20.0, focal_gamma=1.0),
    ),
    train_cfg=dict(augments=dict(type='Mixup', alpha=1.0)),
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClassWeightedSampler'))
default_hooks = dict(load_stage1=dict(stage1='fashion_mnist_lt_small_r8_gcl.py'))
