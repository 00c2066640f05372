# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Mistakes that people make in a config or a command line, and what must be said.

Each entry is ``name: (where, what, words)``. ``where`` is 'stage1' or 'stage2' for
``--cfg-options`` on that config of Digits-LT, 'text1' or 'text2' for lines at the end
of such a config, 'args' for options of tools/train.py, 'test' for those of
tools/test.py, 'file' for the whole text of a config. The sentence has all ``words``.
"""

SGD = "optimizer=dict(type='SGD', lr=0.1)"
# Images of 4x4 pixels, of which the last stage leaves one.
SMALL = (
    "p = [dict(type='Resize', scale=4), dict(type='PackInputs')]\n"
    'train_dataloader = dict(dataset=dict(pipeline=p), '
)
WRAPPER = f'optim_wrapper = dict(_delete_=True, {SGD}, '
LOSS = "model = dict(head=dict(loss=dict(_delete_=True, type='BalancedSoftmaxLoss', "
DATASET = 'train_dataloader = dict(dataset=dict(_delete_=True, '
DIGITS = "dataset=dict(type='DigitsLT', imbalance_ratio=1)"
SAMPLER = "sampler=dict(_delete_=True, type='ClassBalancedSampler', "

WRAPPERS = {
    'argument misspelt': (
        'stage1',
        'optim_wrapper.rho_scal=0.1',
        ('CCSAMOptimWrapper', "'rho_scal'", 'rho_scale'),
    ),
    'rho_scale negative': (
        'stage1',
        'optim_wrapper.rho_scale=-1',
        ('optim_wrapper.rho_scale', '>= 0'),
    ),
    'rho_scale a word': (
        'stage1',
        'optim_wrapper.rho_scale=big',
        ('optim_wrapper.rho_scale', "'big'", '>= 0'),
    ),
    'max_relative_norm negative': (
        'stage1',
        'optim_wrapper.max_relative_norm=-0.1',
        ('optim_wrapper.max_relative_norm', '-0.1', '> 0'),
    ),
    'radius negative': (
        'stage1',
        'optim_wrapper.radius=-1',
        ('optim_wrapper.radius', '-1', 'characteristic'),
    ),
    'direction unknown': (
        'stage1',
        'optim_wrapper.direction=up',
        ('optim_wrapper.direction', "'up'", 'random'),
    ),
    'class_reduction unknown': (
        'stage1',
        'optim_wrapper.class_reduction=mean',
        ('optim_wrapper.class_reduction', "'mean'", 'sample'),
    ),
    'perturbed_weight above 1': (
        'stage1',
        'optim_wrapper.perturbed_weight=2',
        ('optim_wrapper.perturbed_weight', '2', '1'),
    ),
    'sync_classes a word': (
        'stage1',
        'optim_wrapper.sync_classes=yes',
        ('optim_wrapper.sync_classes', "'yes'", 'True or False'),
    ),
    'class_counts of other classes': (
        'stage1',
        'optim_wrapper.class_counts=[5,3]',
        ('optim_wrapper.class_counts', '2', '10'),
    ),
    'rho_warmup in epochs': (
        'stage1',
        'optim_wrapper.rho_warmup=30',
        ('optim_wrapper.rho_warmup', '30', '1'),
    ),
    'perturb of an unknown part': (
        'stage1',
        'optim_wrapper.perturb=backbon.layer3',
        ('optim_wrapper.perturb', 'backbon.layer3', 'backbone'),
    ),
    'perturb a number': (
        'stage1',
        'optim_wrapper.perturb=3',
        ('optim_wrapper.perturb', '3', 'name'),
    ),
    'SAM argument misspelt': (
        'text1',
        f"{WRAPPER}type='SAMOptimWrapper', adaptve=True)",
        ('SAMOptimWrapper', 'adaptve', 'adaptive'),
    ),
    'ImbSAM threshold of 0': (
        'text1',
        f"{WRAPPER}type='ImbSAMOptimWrapper', tail_threshold=0)",
        ('optim_wrapper.tail_threshold', '0', '> 0'),
    ),
    'wrapper type misspelt': (
        'stage1',
        'optim_wrapper.type=CCSAMOptimWraper',
        ('optim_wrapper', 'CCSAMOptimWraper', 'CCSAMOptimWrapper'),
    ),
    'wrapper of upstream, argument of ours': (
        'stage1',
        'optim_wrapper.type=OptimWrapper',
        ('optim_wrapper', 'OptimWrapper', 'max_relative_norm', 'clip_grad'),
    ),
    'accumulative_counts of 0': (
        'stage1',
        'optim_wrapper.accumulative_counts=0',
        ('optim_wrapper.accumulative_counts', '0', '1'),
    ),
    'clip_grad.max_norm negative': (
        'stage1',
        'optim_wrapper.clip_grad.max_norm=-1',
        ('optim_wrapper.clip_grad.max_norm', '-1', '> 0'),
    ),
    'clip_grad a number': (
        'stage1',
        'optim_wrapper.clip_grad=5',
        ('optim_wrapper.clip_grad', '5', 'dict(max_norm='),
    ),
    'clip_grad argument misspelt': (
        'stage1',
        'optim_wrapper.clip_grad.max_nrm=5',
        ('optim_wrapper.clip_grad', 'max_nrm', 'max_norm'),
    ),
    'no optimizer': (
        'text1',
        "optim_wrapper = dict(_delete_=True, type='CCSAMOptimWrapper')",
        ('optim_wrapper', 'optimizer'),
    ),
    'lr negative': (
        'stage1',
        'optim_wrapper.optimizer.lr=-0.1',
        ('optim_wrapper.optimizer.lr', '-0.1', '>= 0'),
    ),
    'lr a word': (
        'stage1',
        'optim_wrapper.optimizer.lr=0,1',
        ('optim_wrapper.optimizer.lr', '[0, 1]', '>= 0'),
    ),
    'optimizer misspelt': (
        'stage1',
        'optim_wrapper.optimizer.type=SDG',
        ('optim_wrapper.optimizer', 'SDG', 'SGD'),
    ),
    'optimizer argument misspelt': (
        'stage1',
        'optim_wrapper.optimizer.momentm=0.9',
        ('SGD', 'momentm', 'momentum'),
    ),
    'weight decay negative': (
        'stage1',
        'optim_wrapper.optimizer.weight_decay=-1',
        ('optim_wrapper.optimizer.weight_decay', '-1', '>= 0'),
    ),
}

MODELS = {
    'model type misspelt': (
        'stage1',
        'model.type=ImageClasifier',
        ('model', 'ImageClasifier', 'ImageClassifier'),
    ),
    'backbone misspelt': (
        'stage1',
        'model.backbone.type=CIFARResnet',
        ('model.backbone', 'CIFARResnet', 'CIFARResNet'),
    ),
    'backbone argument misspelt': (
        'stage1',
        'model.backbone.base_channel=8',
        ('CIFARResNet', 'base_channel', 'base_channels'),
    ),
    'depth not 6n + 2': (
        'stage1',
        'model.backbone.depth=21',
        ('model.backbone.depth', '21', '20'),
    ),
    'depth a word': (
        'stage1',
        'model.backbone.depth=r20',
        ('model.backbone.depth', "'r20'", '6n + 2'),
    ),
    'out_indices beyond the stages': (
        'stage1',
        'model.backbone.out_indices=(3,)',
        ('model.backbone.out_indices', '3'),
    ),
    'frozen_stages beyond the stages': (
        'stage1',
        'model.backbone.frozen_stages=9',
        ('model.backbone.frozen_stages', '9', '3'),
    ),
    'head misspelt': (
        'stage1',
        'model.head.type=LinearHead',
        ('model.head', 'LinearHead', 'LinearClsHead'),
    ),
    'num_classes of another data set': (
        'stage1',
        'model.head.num_classes=100',
        ('model.head.num_classes', '100', '10'),
    ),
    'num_classes of 0': (
        'stage1',
        'model.head.num_classes=0',
        ('model.head.num_classes', '0', '1'),
    ),
    'num_classes left out': (
        'text1',
        "model = dict(head=dict(_delete_=True, type='LinearClsHead', in_channels=64))",
        ('model.head', 'LinearClsHead', 'num_classes'),
    ),
    'in_channels of another backbone': (
        'stage1',
        'model.head.in_channels=512',
        ('model.head.in_channels', '512', '64'),
    ),
    'no head': ('stage1', 'model.head=None', ('model', 'head')),
    'loss misspelt': (
        'stage1',
        'model.head.loss.type=CrossEntropy',
        ('model.head.loss', 'CrossEntropy', 'CrossEntropyLoss'),
    ),
    'tau negative': (
        'text1',
        f'{LOSS}tau=-1)))',
        ('model.head.loss.tau', '-1', '>= 0'),
    ),
    'reduction unknown': (
        'text1',
        f"{LOSS}reduction='average')))",
        ('reduction', 'average', 'mean'),
    ),
    'mean of two channels': (
        'stage1',
        'data_preprocessor.mean=[1,2]',
        ('data_preprocessor.mean', '3'),
    ),
    'adv_step of 0': ('stage2', 'model.head.adv_step=0', ('model.head.adv_step', '0')),
    'adv_step misspelt': (
        'stage2',
        'model.head.adv_steps=1',
        ('AdversarialFeatureHead', 'adv_steps', 'adv_step'),
    ),
    'max_adv_weight above 1': (
        'stage2',
        'model.head.max_adv_weight=2',
        ('model.head.max_adv_weight', '2', '1'),
    ),
    'reset_classifier a word': (
        'stage2',
        'model.head.reset_classifier=no',
        ('model.head.reset_classifier', "'no'", 'True or False'),
    ),
    'frozen part unknown': (
        'stage2',
        'model.frozen=backbon',
        ('model.frozen', 'backbon', 'backbone'),
    ),
    'frozen is everything': (
        'stage2',
        'model.frozen=backbone,neck,head',
        ('model.frozen', 'nothing'),
    ),
    'moving_statistics a word': (
        'stage2',
        'model.moving_statistics=no',
        ('model.moving_statistics', "'no'", 'True or False'),
    ),
}

DATA = {
    'data set misspelt': (
        'stage1',
        'train_dataloader.dataset.type=DigitLT',
        ('train_dataloader.dataset', 'DigitLT', 'DigitsLT'),
    ),
    'split unknown': (
        'stage1',
        'train_dataloader.dataset.split=training',
        ('split', 'training', "'train'"),
    ),
    'imbalance_ratio below 1': (
        'stage1',
        'train_dataloader.dataset.imbalance_ratio=0.02',
        ('imbalance_ratio', '0.02', '1'),
    ),
    'imbalance_ratio misspelt': (
        'stage1',
        'train_dataloader.dataset.imbalance_ration=50',
        ('DigitsLT', 'imbalance_ration', 'imbalance_ratio'),
    ),
    'seed of the data a word': (
        'stage1',
        'train_dataloader.dataset.seed=abc',
        ('seed', "'abc'", 'integer'),
    ),
    'part unknown': (
        'text1',
        f"{DATASET}type='LongTailed', part='val', {DIGITS}))",
        ('part', "'val'", 'held_out'),
    ),
    'classes beyond the data set': (
        'text1',
        f"{DATASET}type='ClassSubset', classes=[0, 10], {DIGITS}))",
        ('classes', '10', '0..9'),
    ),
    'folder is not there': (
        'text1',
        f"{DATASET}type='CustomDataset', data_root='no/such'))",
        ('train_dataloader.dataset.data_root', 'no/such', 'does not exist'),
    ),
    'batch size of 0': (
        'stage1',
        'train_dataloader.batch_size=0',
        ('train_dataloader.batch_size', '0', '>= 1'),
    ),
    'workers below 0': (
        'stage1',
        'train_dataloader.num_workers=-1',
        ('train_dataloader.num_workers', '-1', '>= 0'),
    ),
    'mixed precision without a GPU': (
        'stage1',
        'optim_wrapper.type=AmpCCSAMOptimWrapper',
        ('AmpCCSAMOptimWrapper', 'GPU'),
    ),
    'no sampler': (
        'stage1',
        'train_dataloader.sampler=None',
        ('train_dataloader.sampler', 'DefaultSampler'),
    ),
    'sampler misspelt': (
        'stage1',
        'train_dataloader.sampler.type=ClassBalanceSampler',
        ('train_dataloader.sampler', 'ClassBalanceSampler', 'ClassBalancedSampler'),
    ),
    'sampler argument a word': (
        'text1',
        f"train_dataloader = dict({SAMPLER}num_samples='all'))",
        ('ClassBalancedSampler', 'num_samples', "'all'"),
    ),
    'last batch of one image': (
        'text1',
        f'{SMALL}batch_size=341)',
        ('train_dataloader', 'one image', 'drop_last', 'batch_size'),
    ),
    'transform misspelt': (
        'text1',
        "train_dataloader = dict(dataset=dict(pipeline=[dict(type='Resiz')]))",
        ('train_dataloader.dataset.pipeline.0', 'Resiz', 'Resize'),
    ),
    'pipeline packs nothing': (
        'text1',
        'train_dataloader = dict(dataset=dict(pipeline=[]))',
        ('train_dataloader', 'pipeline', 'PackInputs'),
    ),
}

RUNTIME = {
    'val_interval of 0': (
        'stage1',
        'train_cfg.val_interval=0',
        ('train_cfg.val_interval', '0', '>= 1', '--no-validate'),
    ),
    'max_epochs misspelt': (
        'stage1',
        'train_cfg.max_epoch=10',
        ('train_cfg', 'max_epoch', 'max_epochs'),
    ),
    'schedule misspelt': (
        'text1',
        "param_scheduler = [dict(type='MultistepLR', milestones=[1])]",
        ('param_scheduler', 'MultistepLR', 'MultiStepLR'),
    ),
    'check_finite.interval a word': (
        'stage1',
        'default_hooks.check_finite.interval=abc',
        ('CheckFiniteHook', 'interval', "'abc'", '>= 1'),
    ),
    'perturbation_log.interval of 0': (
        'stage1',
        'default_hooks.perturbation_log.interval=0',
        ('PerturbationLogHook', 'interval', '0', '>= 1'),
    ),
    'stage1 a number': (
        'stage2',
        'default_hooks.load_stage1.stage1=3',
        ('load_stage1.stage1', '3', 'name'),
    ),
    'stage 1 was not trained': (
        'stage2',
        'model.backbone.depth=8',
        ('stage 1', 'tools/train.py', 'load_from'),
    ),
    'metric misspelt': (
        'stage1',
        'val_evaluator.type=ShotAcuracy',
        ('val_evaluator', 'ShotAcuracy', 'ShotAccuracy'),
    ),
    'shot_rule unknown': (
        'stage1',
        'val_evaluator.shot_rule=loose',
        ('shot_rule', 'loose', 'strict'),
    ),
    'work_dir empty': ('args', ['--work-dir', ''], ('work_dir', '--work-dir')),
    'resume a word': ('stage1', 'resume=abc', ('resume', "'abc'", 'True or False')),
    'resume from nothing': ('args', ['--resume', 'no.pth'], ('no.pth', '--resume')),
    'load_from nothing': ('stage1', 'load_from=no.pth', ('load_from', 'no.pth')),
    '--no-validate with val options': (
        'args',
        ['--no-validate', '--cfg-options', 'val_evaluator.shot_rule=inclusive'],
        ('--no-validate', 'val_evaluator.shot_rule'),
    ),
    '--tta with model options': (
        'test',
        ['--tta', '--cfg-options', 'model.head.in_channels=64'],
        ('--tta', 'model.head.in_channels', 'model.module.head.in_channels'),
    ),
    'seed a word': ('stage1', 'randomness.seed=abc', ('randomness.seed', "'abc'")),
    'section misspelt': (
        'stage1',
        'optim_wraper.rho_scale=1',
        ('optim_wraper', 'optim_wrapper'),
    ),
    'option without a value': (
        'args',
        ['--cfg-options', 'train_cfg.max_epochs'],
        ('--cfg-options', 'train_cfg.max_epochs', '='),
    ),
    'config with a syntax error': ('file', 'model = dict(', ('line 1', 'mistake.py')),
    'config with an unknown name': ('file', 'lr = rate', ('rate', 'mistake.py')),
    'base is not there': ('file', "_base_ = './no.py'", ('no.py', 'mistake.py')),
}

MISTAKES = {**WRAPPERS, **MODELS, **DATA, **RUNTIME}
