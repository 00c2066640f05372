# Copyright (c) ccsam_mm contributors. All rights reserved.
import math
from collections.abc import Iterator
from typing import Optional

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmpretrain.registry import DATA_SAMPLERS
from torch.utils.data import Dataset, Sampler

from ccsam_mm.datasets.class_counts import get_gt_labels
from ccsam_mm.utils.config_types import is_count


@DATA_SAMPLERS.register_module()
class ClassBalancedSampler(Sampler):
    """A sampler that draws every class equally often.

    The sequence of labels is a chain of random permutations of the classes, so in
    an epoch the classes differ by one draw at most. The images of a class are
    cycled without replacement and shuffled anew after each pass. Everything
    follows from the seed and the epoch, so a resumed training sees the same
    images. Ranks take turns in the sequence as in
    :class:`mmengine.dataset.DefaultSampler`, which rounds its length up, too.

    Args:
        dataset (Dataset): The data set, which may be wrapped.
        seed (int, optional): The seed, identical on all ranks. Defaults to None,
            which agrees on a random one.
        num_samples (int, optional): The length of an epoch on all ranks together.
            Defaults to None, the length of the data set.
        samples_per_class (int): How many images of a drawn class follow each
            other, as in class-aware sampling. Defaults to 1.

    Examples:
        >>> from ccsam_mm.datasets import ClassBalancedSampler, DigitsLT
        >>> train_set = DigitsLT(split='train')
        >>> sampler = ClassBalancedSampler(train_set, seed=0, num_samples=40)
        >>> labels = train_set.get_gt_labels()[list(sampler)]
        >>> [int((labels == c).sum()) for c in range(10)]
        [4, 4, 4, 4, 4, 4, 4, 4, 4, 4]
    """

    def __init__(
        self,
        dataset: Dataset,
        seed: Optional[int] = None,
        num_samples: Optional[int] = None,
        samples_per_class: int = 1,
    ) -> None:
        for key, value in dict(
            num_samples=1 if num_samples is None else num_samples,
            samples_per_class=samples_per_class,
        ).items():
            if not is_count(value):
                raise ValueError(
                    f'{type(self).__name__} got {key}={value!r}: set `{key}` to 1 '
                    'or more, an integer.'
                )
        if seed is not None and not is_count(seed, least=0):
            raise ValueError(
                f'{type(self).__name__} got seed={seed!r}: set `seed` to an integer '
                '>= 0, or to None.'
            )
        self.rank, self.world_size = get_dist_info()
        self.dataset = dataset
        self.seed = sync_random_seed() if seed is None else seed
        self.samples_per_class = samples_per_class
        self.epoch = 0

        labels = get_gt_labels(dataset)
        if len(labels) == 0:
            raise ValueError(
                f'{type(dataset).__name__} holds no image that {type(self).__name__} '
                'could draw: check `data_root` and `ann_file` in the config.'
            )
        self._by_class = np.argsort(labels, kind='stable')
        self._class_sizes = np.unique(labels, return_counts=True)[1]

        self.epoch_length = num_samples or len(labels)
        self.num_samples = math.ceil(self.epoch_length / self.world_size)
        self.total_size = self.num_samples * self.world_size

    def __iter__(self) -> Iterator[int]:
        """Iterate the indices of this rank."""
        rng = np.random.default_rng([self.seed, self.epoch])
        classes = self._draw_classes(rng)
        indices = np.resize(self._draw_images(rng, classes), self.total_size)
        return iter(indices[self.rank :: self.world_size].tolist())

    def _draw_classes(self, rng: np.random.Generator) -> np.ndarray:
        """Chain permutations of the classes, with shape ``(epoch_length, )``."""
        draws = math.ceil(self.epoch_length / self.samples_per_class)
        num_classes = len(self._class_sizes)
        rounds = np.tile(np.arange(num_classes), (math.ceil(draws / num_classes), 1))
        classes = rng.permuted(rounds, axis=1).ravel()[:draws]
        return np.repeat(classes, self.samples_per_class)[: self.epoch_length]

    def _draw_images(self, rng: np.random.Generator, classes: np.ndarray) -> np.ndarray:
        """Give each drawn class its next image."""
        sizes = self._class_sizes
        drawn = np.bincount(classes, minlength=len(sizes))
        passes = -(-drawn // sizes)
        # One entry per pass of a class over its images: their start and number.
        pass_sizes = np.repeat(sizes, passes)
        pass_starts = np.repeat(np.cumsum(sizes) - sizes, passes)
        of_pass = np.repeat(np.arange(len(pass_sizes)), pass_sizes)
        shuffled = np.argsort(of_pass + rng.random(len(of_pass)))
        within = np.arange(len(of_pass)) - (np.cumsum(pass_sizes) - pass_sizes)[of_pass]
        position = (pass_starts[of_pass] + within)[shuffled]
        # Of its chain of passes, a class uses as many images as it was drawn.
        chain_sizes = passes * sizes
        chain = np.repeat(np.arange(len(sizes)), chain_sizes)
        chain_starts = np.cumsum(chain_sizes) - chain_sizes
        used = np.arange(len(chain)) - chain_starts[chain] < drawn[chain]
        images = np.empty(len(classes), dtype=np.int64)
        images[np.argsort(classes, kind='stable')] = self._by_class[position[used]]
        return images

    def __len__(self) -> int:
        """The number of samples in this rank."""
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which every epoch's order depends on.

        Args:
            epoch (int): Epoch number.
        """
        self.epoch = epoch
