# CC-SAM with the literal Eq. 8 and 9, stage 2, on Places-LT
# (4980 .. 5 images per class), ResNet-152.
# Loads the checkpoint of its own stage 1 automatically.
#   python tools/train.py configs/ablation/places_lt_r152_literal_stage2.py --auto-scale-lr
#   bash tools/dist_train.sh configs/ablation/places_lt_r152_literal_stage2.py 8
# The paper's Table 2 has 40.6 % top-1 after stage 2.
# Checked: builds and steps; not run at full length.
_base_ = '../ccsam/places_lt_r152_stage2.py'
