# LADE on small Fashion-MNIST-LT (14x14, 1000 .. 10 images), ResNet-8.
#   python tools/train.py configs/baselines/lade/fashion_mnist_lt_small_r8_lade.py
# The authors' alpha and lam for CIFAR-100-LT.
# Checked: run (docs/results.md).
_base_ = '../ce/fashion_mnist_lt_small_r8_ce.py'

model = dict(head=dict(loss=dict(type='LADELoss')))
