# Open-set test on CIFAR-10-LT (imbalance 100), Fashion-MNIST being unknown, ResNet-32.
# For the checkpoints and commands of cifar10_lt_ir100_r32.py; less similar images.
#   python tools/test.py configs/open_set/cifar10_lt_ir100_r32_fashion_mnist.py CHECKPOINT
# Checked: builds and steps; not run at full length.
_base_ = './cifar10_lt_ir100_r32.py'

fashion_mnist = dict(
    type='FashionMNIST',
    data_root='data/fashion_mnist',
    split='test',
    test_mode=True,
    pipeline=[
        dict(type='Resize', scale=(32, 32)),
        # one grey channel becomes three equal ones
        dict(type='NumpyToPIL', to_rgb=False),
        dict(type='torchvision/Grayscale', num_output_channels=3),
        dict(type='PackInputs'),
    ],
)
val_dataloader = dict(dataset=dict(unknown=dict(fashion_mnist, _delete_=True)))
test_dataloader = dict(dataset=dict(unknown=dict(fashion_mnist, _delete_=True)))
