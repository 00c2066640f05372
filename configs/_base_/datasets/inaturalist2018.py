# iNaturalist 2018: 8142 species with 1000 .. 2 training images.
# tools/dataset_converters/inaturalist2018.py fills data/inaturalist2018:
# train2018.json and val2018.json (or lists) and the folder train_val2018.
_base_ = './places_lt.py'

data_preprocessor = dict(num_classes=8142)

inaturalist = dict(type='INaturalist2018', data_root='data/inaturalist2018')

# The batch size is that of each of eight GPUs.
train_dataloader = dict(batch_size=64, dataset=inaturalist)
val_dataloader = dict(dataset=inaturalist)

# The labels of the official test split are secret: as the literature does, test on
# the validation split. The last epoch counts, none is selected.
test_dataloader = dict(dataset=dict(**inaturalist, split='val'))
