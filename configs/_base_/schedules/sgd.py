# What the schedules have in common: SGD with momentum, a rate of 0.1, and a validation
# every five epochs, which draws curves and selects nothing. A schedule adds the weight
# decay, max_epochs, param_scheduler and auto_scale_lr.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9),
)

train_cfg = dict(by_epoch=True, val_interval=5)
val_cfg = dict()
test_cfg = dict()
