# Random perturbation of the weights (after F2M) on Digits-LT (124 .. 2 images per class), ResNet-20.
#   python tools/train.py configs/baselines/flattening/digits_lt_r20_random_perturbation.py
# Checked: builds and steps; not run at full length.
_base_ = '../ce/digits_lt_r20_ce.py'

# Two draws from the range of the authors' code.
optim_wrapper = dict(type='RandomPerturbationOptimWrapper', bound=0.005)
