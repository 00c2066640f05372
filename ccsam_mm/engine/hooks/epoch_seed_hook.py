# Copyright (c) ccsam_mm contributors. All rights reserved.
import numpy as np
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import FUNCTIONS
from mmengine.runner import Runner, set_random_seed
from mmpretrain.registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seed each epoch, so that a resumed training equals an undisturbed one.

    MMEngine seeds once at the start, and it gives data loader workers the same seed
    in each epoch: a resumed training meets other random numbers than it would have,
    and the workers' augmentations repeat. With this hook, the random numbers of an
    epoch depend on the seed of the training, the epoch and the rank alone. Workers
    follow if they are started anew in each epoch, by :func:`epoch_worker_init_fn`.
    Iteration-based loops are one epoch, and cannot be continued in this exact way.

    Examples:
        >>> default_hooks = dict(epoch_seed=dict(type='EpochSeedHook'))
        >>> train_dataloader = dict(
        ...     num_workers=2,
        ...     persistent_workers=False,
        ...     worker_init_fn=dict(type='epoch_worker_init_fn'))
        >>> from mmpretrain.registry import HOOKS
        >>> import ccsam_mm
        >>> hook = HOOKS.build(default_hooks['epoch_seed'])
    """

    def before_train(self, runner: Runner) -> None:
        """Warn where workers outlive an epoch, out of this hook's reach.

        Args:
            runner (Runner): The runner of the training process.
        """
        if runner.train_dataloader.persistent_workers:
            runner.logger.warning(
                'With persistent workers, a resumed training gets other augmentations '
                'than an undisturbed one: set train_dataloader.persistent_workers to '
                "False and its worker_init_fn to dict(type='epoch_worker_init_fn')."
            )

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed Python, NumPy and PyTorch.

        Args:
            runner (Runner): The runner of the training process.
        """
        sequence = np.random.SeedSequence([runner.seed, runner.epoch, get_rank()])
        set_random_seed(int(sequence.generate_state(1)[0]))


@FUNCTIONS.register_module()
def epoch_worker_init_fn(worker_id: int) -> None:
    """Leave a data loader worker the seeds that it has.

    PyTorch has just seeded Python, NumPy and itself in the worker, by a number that
    the main process draws anew in each epoch. The function of MMEngine that this one
    replaces would seed them the same in every epoch.

    Args:
        worker_id (int): Worker id in [0, num_workers - 1].
    """
