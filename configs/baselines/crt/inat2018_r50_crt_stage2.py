# cRT after cross entropy on iNaturalist 2018 (1000 .. 2 images per class), ResNet-50.
# Loads the checkpoint of configs/baselines/ce/inat2018_r50_ce.py automatically.
#   python tools/train.py configs/baselines/crt/inat2018_r50_crt_stage2.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/crt/inat2018_r50_crt_stage2.py 8
# The authors' rate (for this batch size), epochs and weight decay.
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/inat2018_r50_stage2.py'

model = dict(head=dict(max_adv_weight=0, reset_classifier=True))
param_scheduler = dict(T_max=30)
train_cfg = dict(max_epochs=30)
default_hooks = dict(load_stage1=dict(stage1='../ce/inat2018_r50_ce.py'))
