# Weight balancing, stage 1, on small Fashion-MNIST-LT (14x14, 1000 .. 10 images), ResNet-8.
#   python tools/train.py configs/baselines/weight_balancing/fashion_mnist_lt_small_r8_weight_balancing_stage1.py
# Rate and weight decay of the authors' code for CIFAR-100-LT.
# Checked: run (docs/results.md).
_base_ = '../ce/fashion_mnist_lt_small_r8_ce.py'

# The large weight decay is the method: it keeps the norms of classes alike.
optim_wrapper = dict(optimizer=dict(lr=0.01, weight_decay=5e-3))
