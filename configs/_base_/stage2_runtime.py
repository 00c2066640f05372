# The default runtime, which also loads stage 1 from the work dir of its config.
_base_ = './default_runtime.py'

custom_hooks = [*_base_.custom_hooks, dict(type='LoadStage1Hook')]  # noqa: F821
