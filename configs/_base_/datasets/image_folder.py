# Your own images, one folder per class: data/images/{train,val}/<class name>/*.jpg
# Override data_root of the three data sets, and num_classes here and in the head.
_base_ = './images_224.py'

data_preprocessor = dict(num_classes=1000)

train_dataloader = dict(
    dataset=dict(type='CustomDataset', data_root='data/images/train'),
)

# ClassCountsHook (in the default runtime) counts the training images for ShotAccuracy.
val_dataloader = dict(
    dataset=dict(type='CustomDataset', data_root='data/images/val'),
)

# The last epoch counts, none is selected: testing on the validation images is fair.
test_dataloader = val_dataloader
