# DisAlign after cross entropy on small Fashion-MNIST-LT (14x14, 1000 .. 10 images), ResNet-8.
# Loads the checkpoint of configs/baselines/ce/fashion_mnist_lt_small_r8_ce.py automatically.
#   python tools/train.py configs/baselines/disalign/fashion_mnist_lt_small_r8_disalign_stage2.py
# The authors' form and weights for ImageNet-LT, on our schedule of stage 2.
# Checked: run (docs/results.md).
_base_ = '../../ccsam/fashion_mnist_lt_small_r8_stage2.py'

model = dict(
    frozen=['backbone', 'neck', 'head.fc'],
    head=dict(type='DisAlignClsHead', loss=dict(type='SoftmaxFocalLoss', gamma=0.0)),
)
train_dataloader = dict(
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True)
)
default_hooks = dict(
    class_weight=dict(type='ClassWeightHook', rule='power', power=1.2),
    load_stage1=dict(stage1='../ce/fashion_mnist_lt_small_r8_ce.py'),
)
