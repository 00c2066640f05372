# cRT after cross entropy on ImageNet-LT (1280 .. 5 images per class), ResNeXt-50.
# Loads the checkpoint of configs/baselines/ce/imagenet_lt_x50_ce.py automatically.
#   python tools/train.py configs/baselines/crt/imagenet_lt_x50_crt_stage2.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/crt/imagenet_lt_x50_crt_stage2.py 8
# The authors' rate (for this batch size), epochs and weight decay.
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/imagenet_lt_x50_stage2.py'

model = dict(head=dict(max_adv_weight=0, reset_classifier=True))
optim_wrapper = dict(optimizer=dict(lr=0.1))
param_scheduler = dict(T_max=10)
train_cfg = dict(max_epochs=10)
default_hooks = dict(load_stage1=dict(stage1='../ce/imagenet_lt_x50_ce.py'))
