# Balanced Softmax on Fashion-MNIST-LT (6000 .. 60 images per class), ResNet-20.
#   python tools/train.py configs/baselines/balanced_softmax/fashion_mnist_lt_r20_balanced_softmax.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/fashion_mnist_lt_r20_ce.py'

model = dict(head=dict(loss=dict(type='BalancedSoftmaxLoss')))
