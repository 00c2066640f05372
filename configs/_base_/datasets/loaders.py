# What the data sets have in common: every image once an epoch, shuffled for training;
# accuracy on all classes, and on those with many, a medium number and few images.
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=True),
)

val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_evaluator = dict(type='ShotAccuracy')

test_dataloader = val_dataloader
test_evaluator = dict(type='ShotAccuracy', per_class=True)
