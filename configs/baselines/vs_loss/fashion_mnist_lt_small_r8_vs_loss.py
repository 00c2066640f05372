# VS loss on small Fashion-MNIST-LT (14x14, 1000 .. 10 images), ResNet-8.
#   python tools/train.py configs/baselines/vs_loss/fashion_mnist_lt_small_r8_vs_loss.py
# The defaults of the authors' code; their example for CIFAR-10-LT has gamma=0.2, tau=1.2.
# Checked: run (docs/results.md).
_base_ = '../ce/fashion_mnist_lt_small_r8_ce.py'

model = dict(head=dict(loss=dict(type='VSLoss')))
