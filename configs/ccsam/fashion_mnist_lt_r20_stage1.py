# CC-SAM, stage 1, on Fashion-MNIST-LT (6000 .. 60 images per class), ResNet-20.
#   python tools/train.py configs/ccsam/fashion_mnist_lt_r20_stage1.py
# Checked: builds and steps; not run at full length.
_base_ = '../baselines/ce/fashion_mnist_lt_r20_ce.py'

# The setting with the best validation accuracy on small data sets: docs/results.md.
optim_wrapper = dict(
    type='CCSAMOptimWrapper', perturb='head', rho_scale=0.01, min_grad_norm=3.0
)
