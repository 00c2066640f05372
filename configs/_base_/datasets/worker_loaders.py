# The loaders of loaders.py with worker processes, and a batch size of 64.
_base_ = './loaders.py'

train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    # Only fresh workers (not persistent ones), seeded for their epoch, make a resumed run
    # equal to an undisturbed one (MMEngine gives workers the same seed in each epoch).
    worker_init_fn=dict(type='epoch_worker_init_fn'),
)
val_dataloader = dict(batch_size=64, num_workers=2)
test_dataloader = val_dataloader
