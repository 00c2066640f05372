# The test split of ImageNet-LT (50,000 images), and its open split (18,000), whose
# classes are unknown, by the protocol of places_lt_open.py.
_base_ = './places_lt_open.py'

data_preprocessor = dict(num_classes=1000)

image_net_lt = dict(type='ImageNetLT', data_root='data/imagenet_lt')
both = dict(known=image_net_lt, unknown=image_net_lt)

# The batch size is that of each of eight GPUs.
train_dataloader = dict(batch_size=32, dataset=image_net_lt)
val_dataloader = dict(dataset=both)
test_dataloader = dict(dataset=both)
