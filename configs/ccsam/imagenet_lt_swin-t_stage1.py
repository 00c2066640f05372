# CC-SAM, stage 1, on ImageNet-LT, Swin-T: another backbone is a few lines.
#   python tools/train.py configs/ccsam/imagenet_lt_swin-t_stage1.py --auto-scale-lr
#   bash tools/dist_train.sh configs/ccsam/imagenet_lt_swin-t_stage1.py 8
# Not in the paper but ours.
# Checked: builds and steps; not run at full length.
_base_ = './imagenet_lt_r50_stage1.py'

model = dict(
    backbone=dict(
        _delete_=True, type='SwinTransformer', arch='tiny', drop_path_rate=0.2
    ),
    head=dict(in_channels=768),
)

# 2.5e-4 is MMPretrain's 5e-4 per 512 images.
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=2.5e-4, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
    clip_grad=dict(max_norm=5.0),
)
