# Copyright (c) ccsam_mm contributors. All rights reserved.
from typing import Optional

import numpy as np
from mmpretrain.registry import DATA_SAMPLERS
from torch.utils.data import Dataset

from ccsam_mm.utils.config_types import is_count, is_number

from .class_balanced_sampler import ClassBalancedSampler


@DATA_SAMPLERS.register_module()
class ClassWeightedSampler(ClassBalancedSampler):
    r"""A sampler that draws classes at random, by a power of their frequency.

    With :math:`n_c` images in class c, its probability is proportional to
    :math:`n_c^{1 - q}`. :math:`q = 0` is sampling by images, 0.5 the square root, 1
    gives every class the same probability (an image has one over the count of its
    class, as in `GCL <https://arxiv.org/abs/2305.11733>`_), and 2 is the reversed
    sampler of `BBN <https://arxiv.org/abs/1912.02413>`_. The progressive sampler of
    `Decoupling Representation and Classifier <https://arxiv.org/abs/1910.09217>`_ goes
    from the frequencies to those of :math:`q` in the course of the training.

    :class:`ClassBalancedSampler` has no such chance in its draws: an epoch of it holds
    all classes equally often. Seeds, epochs and ranks are as there.

    Args:
        dataset (Dataset): The data set, which may be wrapped.
        power (float): :math:`q`. Defaults to 1.0.
        progressive_epochs (int, optional): The number of epochs after which
            :math:`q` is reached; in epoch e (from 0) its share is e over this number.
            Defaults to None, from the start.
        replacement (bool): Whether the images of a class are drawn independently;
            otherwise they are cycled in random order. Defaults to True.
        seed (int, optional): The seed, identical on all ranks. Defaults to None,
            which agrees on a random one.
        num_samples (int, optional): The length of an epoch on all ranks together.
            Defaults to None, the length of the data set.

    Examples:
        >>> from ccsam_mm.datasets import ClassWeightedSampler, DigitsLT
        >>> train_set = DigitsLT(split='train', imbalance_ratio=100)
        >>> sampler = ClassWeightedSampler(train_set, power=2.0, seed=0)
        >>> probabilities = sampler.class_probabilities()
        >>> bool(probabilities[9] > 50 * probabilities[0])
        True
    """

    def __init__(
        self,
        dataset: Dataset,
        power: float = 1.0,
        progressive_epochs: Optional[int] = None,
        replacement: bool = True,
        seed: Optional[int] = None,
        num_samples: Optional[int] = None,
    ) -> None:
        if not is_number(power):
            raise ValueError(
                f'ClassWeightedSampler got power={power!r}: set `power` to a number '
                '>= 0 (0 samples by images, 1 balances the classes).'
            )
        if progressive_epochs is not None and not is_count(progressive_epochs):
            raise ValueError(
                f'ClassWeightedSampler got progressive_epochs={progressive_epochs!r}: '
                'set `progressive_epochs` to an integer >= 1, or to None.'
            )
        super().__init__(dataset, seed=seed, num_samples=num_samples)
        self.power = power
        self.progressive_epochs = progressive_epochs
        self.replacement = replacement

    def class_probabilities(self) -> np.ndarray:
        """Probability of each class that has images, in the current epoch.

        Returns:
            np.ndarray: ``(C, )``, in the order of the labels.
        """
        frequencies = self._class_sizes / self._class_sizes.sum()
        weights = frequencies ** (1 - self.power)
        weights = weights / weights.sum()
        if self.progressive_epochs is None:
            return weights
        share = min(self.epoch / self.progressive_epochs, 1.0)
        return (1 - share) * frequencies + share * weights

    def _draw_classes(self, rng: np.random.Generator) -> np.ndarray:
        probabilities = self.class_probabilities()
        return rng.choice(len(probabilities), self.epoch_length, p=probabilities)

    def _draw_images(self, rng: np.random.Generator, classes: np.ndarray) -> np.ndarray:
        if not self.replacement:
            return super()._draw_images(rng, classes)
        sizes = self._class_sizes[classes]
        starts = (np.cumsum(self._class_sizes) - self._class_sizes)[classes]
        return self._by_class[starts + rng.integers(sizes)]
