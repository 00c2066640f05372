# ResNet-20 on Digits-LT: what all methods and both stages share.
_base_ = ['../models/resnet20_small.py', '../datasets/digits_lt.py']
