# CC-SAM, stage 1, on eight known classes of Fashion-MNIST-LT (5900 .. 59), ResNet-20.
#   python tools/train.py configs/open_set/fashion_mnist_lt_known_r20_stage1.py
# Checked: run (docs/open_set.md).
_base_ = './fashion_mnist_lt_known_r20_ce.py'

# The setting with which docs/open_set.md was measured.
optim_wrapper = dict(
    type='CCSAMOptimWrapper', perturb='head', rho_scale=0.03, min_grad_norm=1.0
)
