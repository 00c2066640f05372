# LADE on CIFAR-10-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/lade/cifar10_lt_ir100_r32_lade.py
# The authors' alpha and lam for CIFAR-100-LT.
# Checked: builds and steps; not run at full length.
_base_ = '../ce/cifar10_lt_ir100_r32_ce.py'

model = dict(head=dict(loss=dict(type='LADELoss')))
