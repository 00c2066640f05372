# Spectral normalisation of all layers on CIFAR-10-LT (imbalance 100), ResNet-32.
#   python tools/train.py configs/baselines/flattening/cifar10_lt_ir100_r32_spectral_norm.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/cifar10_lt_ir100_r32_ce.py'

custom_hooks = [dict(type='SpectralNormHook')]
