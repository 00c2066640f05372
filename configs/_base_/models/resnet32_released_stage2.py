# The network of resnet32_released.py in stage 2 of the authors' code.
_base_ = './resnet32_released.py'

model = dict(
    type='DecoupledClassifier',
    moving_statistics=True,  # batch norm of the frozen trunk
    head=dict(
        type='AdversarialFeatureHead',
        step_rule='log_frequency',
        adv_image_weight='log_frequency',
        grad_norm='class',
    ),
)
