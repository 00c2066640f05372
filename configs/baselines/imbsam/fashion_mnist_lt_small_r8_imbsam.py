# ImbSAM on small Fashion-MNIST-LT (14x14, 1000 .. 10 images), ResNet-8.
#   python tools/train.py configs/baselines/imbsam/fashion_mnist_lt_small_r8_imbsam.py
# Checked: run (docs/results.md).
_base_ = '../ce/fashion_mnist_lt_small_r8_ce.py'

# rho was chosen on the validation split (docs/results.md).
optim_wrapper = dict(type='ImbSAMOptimWrapper', rho=0.1, tail_threshold=100)
