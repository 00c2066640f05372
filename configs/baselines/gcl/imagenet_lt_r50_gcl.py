# GCL on ImageNet-LT (1280 .. 5 images per class), ResNet-50.
#   python tools/train.py configs/baselines/gcl/imagenet_lt_r50_gcl.py --auto-scale-lr
#   bash tools/dist_train.sh configs/baselines/gcl/imagenet_lt_r50_gcl.py 8
# Stage 1, with the number of epochs that the authors name, and Mixup.
# Checked: builds and steps; not run at full length.
_base_ = '../mixup/imagenet_lt_r50_mixup.py'

model = dict(head=dict(type='CosineLinearClsHead', loss=dict(type='GCLLoss')))
param_scheduler = dict(T_max=200)
train_cfg = dict(max_epochs=200)
