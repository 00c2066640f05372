# defaults to use registries in mmpretrain
default_scope = 'mmpretrain'

# register everything of this package
custom_imports = dict(imports=['ccsam_mm'], allow_failed_imports=False)

# configure default hooks
default_hooks = dict(
    # record the time of every iteration.
    timer=dict(type='IterTimerHook'),
    # print log every 100 iterations.
    logger=dict(type='LoggerHook', interval=100),
    # enable the parameter scheduler.
    param_scheduler=dict(type='ParamSchedulerHook'),
    # save a checkpoint per epoch, so that a killed run loses at most one; keep two,
    # so that one is intact even if the run dies while it writes the other.
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
    # set sampler seed in distributed environment.
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # validation results visualization, set True to enable it.
    visualization=dict(type='VisualizationHook', enable=False),
    # give the class counts to losses and reports.
    class_counts=dict(type='ClassCountsHook'),
    # stop at the first loss that is not finite.
    check_finite=dict(type='CheckFiniteHook'),
    # seed each epoch separately, so that a resumed run equals an uninterrupted one.
    epoch_seed=dict(type='EpochSeedHook'),
    # log the perturbation norms of many-shot, medium-shot and few-shot classes.
    perturbation_log=dict(type='PerturbationLogHook'),
)

# configure environment
env_cfg = dict(
    # whether to enable cudnn benchmark
    cudnn_benchmark=False,
    # set multi process parameters
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # set distributed parameters (tools/ take gloo where there is no accelerator)
    dist_cfg=dict(backend='nccl'),
)

# set visualizer
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='UniversalVisualizer', vis_backends=vis_backends)

# set log level
log_level = 'INFO'

# load from which checkpoint
load_from = None

# whether to resume training from the loaded checkpoint
resume = False

# the seed of everything; `deterministic` costs speed on GPUs
randomness = dict(seed=0, deterministic=False)
