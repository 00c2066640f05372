# Stage 2 on iNaturalist 2018: 30 epochs for the classifier, total batch size 512.
# The paper gives the batch size alone; the rest is ours.
_base_ = './stage2_30e.py'

# 0.1 per 256 images
optim_wrapper = dict(optimizer=dict(lr=0.2, weight_decay=1e-4))
auto_scale_lr = dict(base_batch_size=512)
