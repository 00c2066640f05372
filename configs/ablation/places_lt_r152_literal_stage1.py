# CC-SAM with the literal Eq. 8 and 9, stage 1, on Places-LT
# (4980 .. 5 images per class), ResNet-152.
#   python tools/train.py configs/ablation/places_lt_r152_literal_stage1.py --auto-scale-lr
#   bash tools/dist_train.sh configs/ablation/places_lt_r152_literal_stage1.py 8
# The paper's Table 2 has 40.6 % top-1 after stage 2.
# Checked: builds and steps; not run at full length.
_base_ = '../ccsam/places_lt_r152_stage1.py'

# No factor, no floor, no cap: the perturbation norm is about that of the weights.
optim_wrapper = dict(rho_scale=1.0, min_grad_norm=0.0)
