# Copyright (c) ccsam_mm contributors. All rights reserved.
from typing import Dict, Optional

import numpy as np
from mmengine.hooks import Hook, LoggerHook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from ccsam_mm.datasets import training_class_counts
from ccsam_mm.engine.optim_wrappers.ccsam_optim_wrapper import CCSAMMixin
from ccsam_mm.engine.passes.last_perturbation import LastPerturbation
from ccsam_mm.evaluation import shot_groups
from ccsam_mm.utils.config_types import is_count


@HOOKS.register_module()
class PerturbationLogHook(Hook):
    r"""Log how far ``CCSAMOptimWrapper`` perturbs the classes of a batch.

    Where MMEngine logs, this hook reads the last perturbation and adds scalars,
    which go to the log line and to every visualizer. Means are over the classes of this
    rank's batch, each counted once:

    - ``relative_norm/many|medium|few``: :math:`\|\epsilon_c\| / \|w\|`;
    - ``class_gradient/many|medium|few``: :math:`\|g_c\|`;
    - ``gradient_factor/many|medium|few``: what it makes of Eq. 8,
      :math:`\sqrt{\|w\| / (2 \|g_c\|)}` with the floor ``min_grad_norm``, as a
      geometric mean, since a fitted class may have any power of ten;
    - ``capped_classes``: the share of classes at ``max_relative_norm``, if that is set.

    Eq. 8's other factor, :math:`(n_c - 1)^{-1/4}`, never changes and is logged once in
    the same way, when the training starts. A fixed ``radius`` has no factors.

    The groups are those of :class:`ShotAccuracy`'s strict rule. A group without a class
    in the batch gets no new value, so the log repeats its last one. The clean and the
    perturbed loss are in the log anyway, as ``clean_objective`` and ``loss``. Other
    optimizer wrappers are left alone, and between two logs this hook costs nothing.

    Args:
        interval (int, optional): Read it every so many iterations of an epoch, and
            at its last one. Defaults to None, the interval of MMEngine's
            ``LoggerHook``.

    Examples:
        >>> from mmpretrain.registry import HOOKS
        >>> import ccsam_mm
        >>> HOOKS.build(dict(type='PerturbationLogHook', interval=50)).interval
        50
    """

    # Before LoggerHook, which reads the message hub.
    priority = 'NORMAL'

    def __init__(self, interval: Optional[int] = None):
        if interval is not None and not is_count(interval):
            raise ValueError(
                f'interval={interval!r}: set interval of PerturbationLogHook to a '
                "number of iterations >= 1, or leave it out to follow LoggerHook's."
            )
        self.interval = interval

    def before_train(self, runner: Runner) -> None:
        """Group the classes, and find the interval.

        Args:
            runner (Runner): The runner of the training process.
        """
        self._is_at_work = isinstance(runner.optim_wrapper, CCSAMMixin)
        if self._is_at_work:
            counts = training_class_counts(
                type(self).__name__,
                'optim_wrapper.class_counts',
                runner.optim_wrapper.class_counts,
                None,
            )
            self._groups = shot_groups(counts.tolist())
            loggers = [hook for hook in runner.hooks if isinstance(hook, LoggerHook)]
            default = loggers[0].interval if loggers else 1
            self._interval = self.interval or default
            if runner.optim_wrapper.radius == 'characteristic':
                means = _count_factors(counts.numpy(), self._groups)
                runner.logger.info(f"Eq. 8's factor (n_c - 1)^(-1/4): {means}")

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Optional[dict] = None,
        outputs: Optional[dict] = None,
    ) -> None:
        """Write the scalars if it is time.

        Args:
            runner (Runner): The runner of the training process.
            batch_idx (int): The index of the current batch in the train loop.
            data_batch (dict, optional): Data from the data loader. Defaults to
                None.
            outputs (dict, optional): Outputs from the model. Defaults to None.
        """
        if not self._is_at_work or not (
            self.every_n_inner_iters(batch_idx, self._interval)
            or self.end_of_epoch(runner.train_dataloader, batch_idx)
        ):
            return
        wrapper = runner.optim_wrapper
        last = wrapper.last_perturbation
        if last is not None:
            scalars = _summary(last, self._groups, wrapper)
            for name, value in scalars.items():
                runner.message_hub.update_scalar(f'train/{name}', value)


def _count_factors(counts: np.ndarray, groups: Dict[str, np.ndarray]) -> str:
    """Write the factor of each group that has a class."""
    factors = np.maximum(counts - 1, 1) ** -0.25
    present = {name: factors[group] for name, group in groups.items() if group.any()}
    return ', '.join(f'{name} {_geometric_mean(f):.3f}' for name, f in present.items())


def _geometric_mean(factors: np.ndarray) -> float:
    return float(np.exp(np.log(factors).mean()))


def _summary(
    last: LastPerturbation, groups: Dict[str, np.ndarray], wrapper: CCSAMMixin
) -> Dict[str, float]:
    """Scalars by name.

    No name holds 'loss' or 'grad_norm', of which MMEngine shows a moving average: that
    of ten readings would reach back over many iterations.
    """
    classes, once = np.unique(last.classes.cpu().numpy(), return_index=True)
    norms = last.grad_norms.cpu().double().numpy()[once]
    relative = (last.lengths / last.weight_norm).cpu().double().numpy()[once]
    with np.errstate(divide='ignore'):  # a class without gradient has no factor
        steepness = np.maximum(norms, wrapper.min_grad_norm)
        factors = np.sqrt(last.weight_norm.item() / (2 * steepness))
    # JSON knows no infinity: a gradient that overflowed in mixed precision is left out.
    is_finite = np.isfinite(norms) & np.isfinite(relative)
    scalars = {}
    for name, group in groups.items():
        chosen = is_finite & group[classes]
        if chosen.any():
            scalars[f'relative_norm/{name}'] = float(relative[chosen].mean())
            scalars[f'class_gradient/{name}'] = float(norms[chosen].mean())
            chosen &= np.isfinite(factors)
            if wrapper.radius == 'characteristic' and chosen.any():
                scalars[f'gradient_factor/{name}'] = _geometric_mean(factors[chosen])
    cap = wrapper.max_relative_norm
    if cap is not None and is_finite.any():
        # The product that made the cap, in the same precision: equality is exact.
        is_capped = (last.lengths >= cap * last.weight_norm).cpu().numpy()[once]
        scalars['capped_classes'] = float(is_capped[is_finite].mean())
    return scalars
