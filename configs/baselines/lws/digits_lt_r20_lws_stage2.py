# LWS after cross entropy on Digits-LT (124 .. 2 images per class), ResNet-20.
# Loads the checkpoint of configs/baselines/ce/digits_lt_r20_ce.py automatically.
#   python tools/train.py configs/baselines/lws/digits_lt_r20_lws_stage2.py
# Checked: builds and steps; not run at full length.
_base_ = '../../ccsam/digits_lt_r20_stage2.py'

model = dict(
    frozen=['backbone', 'neck', 'head.fc'],
    head=dict(type='LWSClsHead'),
)
default_hooks = dict(load_stage1=dict(stage1='../ce/digits_lt_r20_ce.py'))
