# CC-SAM, stage 1, on small Fashion-MNIST-LT (14x14, 1000 .. 10 images per class), ResNet-8.
#   python tools/train.py configs/ccsam/fashion_mnist_lt_small_r8_stage1.py
# Checked: run (docs/results.md).
_base_ = '../baselines/ce/fashion_mnist_lt_small_r8_ce.py'

optim_wrapper = dict(
    type='CCSAMOptimWrapper', perturb='head', rho_scale=0.01, min_grad_norm=3.0
)
