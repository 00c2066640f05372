# The default runtime, which also loads stage 1 from the work dir of its config.
_base_ = './default_runtime.py'

default_hooks = dict(load_stage1=dict(type='LoadStage1Hook'))
