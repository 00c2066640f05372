# cRT after cross entropy on Places-LT (4980 .. 5 images per class), ResNet-152.
# Loads the checkpoint of configs/baselines/ce/places_lt_r152_ce.py automatically.
#   python tools/train.py configs/baselines/crt/places_lt_r152_crt_stage2.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/crt/places_lt_r152_crt_stage2.py 8
# The authors' rate (for this batch size), epochs and weight decay.
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/places_lt_r152_stage2.py'

model = dict(head=dict(max_adv_weight=0, reset_classifier=True))
optim_wrapper = dict(optimizer=dict(lr=0.05))
param_scheduler = dict(T_max=10)
train_cfg = dict(max_epochs=10)
default_hooks = dict(load_stage1=dict(stage1='../ce/places_lt_r152_ce.py'))
