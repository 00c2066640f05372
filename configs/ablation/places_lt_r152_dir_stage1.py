# "Stage 1 + dir": the right direction, length 1
# on Places-LT (4980 .. 5 images per class), ResNet-152.
#   python tools/train.py configs/ablation/places_lt_r152_dir_stage1.py --auto-scale-lr
#   bash tools/dist_train.sh configs/ablation/places_lt_r152_dir_stage1.py 8
# The paper's Table 2 has 38.9 % top-1 on Places-LT after cRT.
# Checked: builds and steps; not run at full length.
_base_ = '../ccsam/places_lt_r152_stage1.py'

# The length is the paper's own, whatever the norm of the weights.
optim_wrapper = dict(radius=1.0, max_relative_norm=None)
