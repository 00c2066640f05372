# "Stage 1 + mag": the right length, a random direction
# on Places-LT (4980 .. 5 images per class), ResNet-152.
#   python tools/train.py configs/ablation/places_lt_r152_mag_stage1.py --auto-scale-lr
#   bash tools/dist_train.sh configs/ablation/places_lt_r152_mag_stage1.py 8
# The paper's Table 2 has 37.5 % top-1 on Places-LT after cRT.
# Checked: builds and steps; not run at full length.
_base_ = '../ccsam/places_lt_r152_stage1.py'

optim_wrapper = dict(direction='random')
