# Measures where images of unknown classes (label -1) are among known ones. An
# image with a score below the threshold counts as unknown. Thresholds are chosen on the
# validation images, and threshold='auto' reads them:
#   python tools/analysis_tools/choose_threshold.py CONFIG CHECKPOINT
# threshold=None leaves out the measures that depend on one.
custom_hooks = [dict(type='OpenSetHook')]

open_set_val_evaluator = [dict(type='OpenSetMetric', threshold=None)]

# The first entry is the main one, `openset/...`, with a curve and a picture. For the
# last four, the model passes over the training images for each checkpoint: once, or
# twice with openmax.
open_set_test_evaluator = [
    dict(type='OpenSetMetric', score='msp', threshold='auto', curve=True),
    *(
        dict(
            type='OpenSetMetric',
            score=score,
            threshold='auto',
            prefix=f'openset_{score}',
        )
        for score in (
            'max_logit',
            'energy',
            'proto_cosine',
            'proto_euclidean',
            'hybrid',
            'openmax',
        )
    ),
]
