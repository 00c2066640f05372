# CC-SAM, stage 2, on Fashion-MNIST-LT (6000 .. 60 images per class), ResNet-20.
# Loads the checkpoint of stage 1 automatically.
#   python tools/train.py configs/ccsam/fashion_mnist_lt_r20_stage2.py
# Checked: builds and steps; not run at full length.
_base_ = [
    '../_base_/settings/fashion_mnist_lt_r20.py',
    '../_base_/schedules/stage2_30e.py',
    '../_base_/stage2_runtime.py',
]

model = dict(type='DecoupledClassifier', head=dict(type='AdversarialFeatureHead'))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClassBalancedSampler'))
