# CC-SAM, stage 2, on small Fashion-MNIST-LT (14x14, 1000 .. 10 images), ResNet-8.
# Loads the checkpoint of stage 1 automatically.
#   python tools/train.py configs/ccsam/fashion_mnist_lt_small_r8_stage2.py
# Checked: run (docs/results.md).
_base_ = [
    '../_base_/settings/fashion_mnist_lt_small_r8.py',
    '../_base_/schedules/small_stage2_8e.py',
    '../_base_/stage2_runtime.py',
]

model = dict(type='DecoupledClassifier', head=dict(type='AdversarialFeatureHead'))
train_dataloader = dict(sampler=dict(_delete_=True, type='ClassBalancedSampler'))
