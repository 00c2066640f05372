# VS loss on CIFAR-10-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/vs_loss/cifar10_lt_ir100_r32_vs_loss.py
# The defaults of the authors' code; their example for CIFAR-10-LT has gamma=0.2, tau=1.2.
# Checked: builds and steps; not run at full length.
_base_ = '../ce/cifar10_lt_ir100_r32_ce.py'

model = dict(head=dict(loss=dict(type='VSLoss')))
