# ResNet-152 of He et al. (CVPR 2016), pretrained on ImageNet by torchvision.
_base_ = './resnet50.py'

model = dict(
    backbone=dict(
        depth=152,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet152'),
    ),
)
