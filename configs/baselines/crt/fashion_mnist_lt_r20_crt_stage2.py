# cRT after cross entropy, Fashion-MNIST-LT (6000 .. 60 images per class), ResNet-20.
# Loads the checkpoint of configs/baselines/ce/fashion_mnist_lt_r20_ce.py automatically.
#   python tools/train.py configs/baselines/crt/fashion_mnist_lt_r20_crt_stage2.py
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/fashion_mnist_lt_r20_stage2.py'

model = dict(head=dict(max_adv_weight=0, reset_classifier=True))

default_hooks = dict(load_stage1=dict(stage1='../ce/fashion_mnist_lt_r20_ce.py'))
