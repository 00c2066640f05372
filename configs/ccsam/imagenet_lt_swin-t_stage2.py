# CC-SAM, stage 2, on ImageNet-LT, Swin-T: another backbone is a few lines.
#   python tools/train.py configs/ccsam/imagenet_lt_swin-t_stage2.py --auto-scale-lr
#   bash tools/dist_train.sh configs/ccsam/imagenet_lt_swin-t_stage2.py 8
# Not in the paper but ours.
# Checked: builds and steps; not run at full length.
_base_ = './imagenet_lt_r50_stage2.py'

model = dict(
    backbone=dict(
        _delete_=True, type='SwinTransformer', arch='tiny', drop_path_rate=0.2
    ),
    head=dict(in_channels=768),
)
