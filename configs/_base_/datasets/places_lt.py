# Places-LT of OLTR (CVPR 2019): 365 classes with 4980 .. 5 training images.
# tools/dataset_converters/places_lt.py fills data/places_lt: OLTR's lists
# Places_LT_{train,val,test}.txt and the images of Places365-Standard (256x256).
_base_ = './images_224.py'

data_preprocessor = dict(num_classes=365)

train_dataloader = dict(
    # of each of eight GPUs
    batch_size=16,
    dataset=dict(type='PlacesLT', data_root='data/places_lt', split='train'),
)
val_dataloader = dict(
    dataset=dict(type='PlacesLT', data_root='data/places_lt', split='val'),
)
test_dataloader = dict(
    dataset=dict(type='PlacesLT', data_root='data/places_lt', split='test'),
)
