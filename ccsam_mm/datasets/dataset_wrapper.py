# Copyright (c) ccsam_mm contributors. All rights reserved.
from typing import Optional, Union
from urllib.error import URLError

from mmengine.dataset import force_full_init
from mmpretrain.registry import DATASETS
from torch.utils.data import Dataset

from .known_labels import KnownLabels


class DatasetWrapper(KnownLabels):
    """Base of data sets that wrap other ones.

    Subclasses have a property ``metainfo``, and set ``_labels``, an array with shape
    ``(N, )``, in :meth:`full_init`.
    """

    _fully_initialized = False

    def full_init(self) -> None:
        """Load the annotations."""
        raise NotImplementedError

    @force_full_init
    def __len__(self) -> int:
        return len(self._labels)

    @property
    def CLASSES(self) -> Optional[tuple]:  # noqa: N802
        """Return all categories names."""
        return self.metainfo.get('classes', None)

    @property
    def class_to_idx(self) -> dict:
        """dict: Mapping from class name to class index."""
        return {name: i for i, name in enumerate(self.CLASSES)}

    def extra_repr(self) -> list[str]:
        """Describe the initialised data set.

        Returns:
            list[str]: Lines without indentation.
        """
        return []

    def __repr__(self) -> str:
        """Print the basic information of the data set.

        Returns:
            str: Formatted string.
        """
        body = ["Haven't been initialized"]
        if self._fully_initialized:
            body = [f'Number of samples: \t{len(self)}', *self.extra_repr()]
        head = f'Dataset {type(self).__name__}'
        return '\n'.join([head] + [f'    {line}' for line in body])


def build_dataset(dataset: Union[Dataset, dict], user: str, keys: str) -> Dataset:
    """Build a data set from its config, or return a built one.

    Args:
        dataset (Dataset | dict): The data set or its config.
        user (str): The class that needs it, for messages.
        keys (str): The config keys that set it, for messages.

    Returns:
        Dataset: The data set.
    """
    if not isinstance(dataset, dict):
        if hasattr(dataset, '__getitem__') and hasattr(dataset, '__len__'):
            return dataset
        raise TypeError(
            f'{user} needs a data set or its config in {keys}, '
            f'but got {type(dataset).__name__}.'
        )
    try:
        return DATASETS.build(dataset)
    except URLError as error:
        where = dataset.get('data_root') or dataset.get('data_prefix')
        raise FileNotFoundError(
            f"{dataset['type']} did not find its files in '{where}' and could not "
            f'download them ({error.reason}): place them there, or set `data_root`.'
        ) from error
