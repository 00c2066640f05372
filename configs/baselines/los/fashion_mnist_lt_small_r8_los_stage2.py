# LOS on small Fashion-MNIST-LT (14x14, 1000 .. 10 images), ResNet-8.
# Loads the checkpoint of configs/baselines/weight_balancing/fashion_mnist_lt_small_r8_weight_balancing_stage1.py automatically.
#   python tools/train.py configs/baselines/los/fashion_mnist_lt_small_r8_los_stage2.py
# Smoothing, rate and first stage (that of weight balancing) of the authors' code.
# Checked: run (docs/results.md).
_base_ = '../../ccsam/fashion_mnist_lt_small_r8_stage2.py'

model = dict(
    head=dict(
        type='LinearClsHead',
        loss=dict(type='LabelSmoothLoss', label_smooth_val=0.98, mode='original'),
    )
)
optim_wrapper = dict(optimizer=dict(lr=5e-4, weight_decay=0.0))
train_dataloader = dict(
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True)
)
default_hooks = dict(
    load_stage1=dict(
        stage1='../weight_balancing/fashion_mnist_lt_small_r8_weight_balancing_stage1.py'
    )
)
