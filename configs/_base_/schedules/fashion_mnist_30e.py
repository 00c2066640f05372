# Stage 1 on Fashion-MNIST-LT: the CIFAR schedule in 30 epochs.
_base_ = './cifar_200e.py'

param_scheduler = [
    dict(_base_.param_scheduler[0], end=1),
    dict(_base_.param_scheduler[1], milestones=[24, 27]),
]

train_cfg = dict(max_epochs=30)
