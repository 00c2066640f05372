# ImageNet-LT of OLTR (CVPR 2019): 1000 classes with 1280 .. 5 training images.
# tools/dataset_converters/imagenet_lt.py fills data/imagenet_lt: OLTR's lists
# ImageNet_LT_{train,val,test}.txt and ILSVRC2012's folders train and val.
_base_ = './places_lt.py'

data_preprocessor = dict(num_classes=1000)

image_net_lt = dict(type='ImageNetLT', data_root='data/imagenet_lt')

# The batch size is that of each of eight GPUs.
train_dataloader = dict(batch_size=32, dataset=image_net_lt)
val_dataloader = dict(dataset=image_net_lt)
test_dataloader = dict(dataset=image_net_lt)
