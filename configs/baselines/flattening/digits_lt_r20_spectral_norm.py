# Spectral normalisation of all layers on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/flattening/digits_lt_r20_spectral_norm.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/digits_lt_r20_ce.py'

custom_hooks = [dict(type='SpectralNormHook')]
