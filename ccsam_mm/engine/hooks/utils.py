# Copyright (c) ccsam_mm contributors. All rights reserved.
from mmengine.runner import BaseLoop, Runner


def is_about_to_train(runner: Runner) -> bool:
    """Whether ``before_run`` is that of a training, not of a validation or test.

    Args:
        runner (Runner): The runner.

    Returns:
        bool: Whether the training loop has been built.
    """
    # The public property would build the loop, and with it the training data set.
    return isinstance(runner._train_loop, BaseLoop)
