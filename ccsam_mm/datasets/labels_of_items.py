# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Labels of loaded images, whether or not ``PackInputs`` has packed them."""


def get_label(item: dict) -> int:
    """Read the label of an image.

    Args:
        item (dict): An item of a data set.

    Returns:
        int: The label.
    """
    samples = _data_samples(item)
    return int(samples[0].gt_label if samples else item['gt_label'])


def set_label(item: dict, label: int) -> dict:
    """Replace the label of an image.

    Args:
        item (dict): An item of a data set; its data samples are changed.
        label (int): The new label.

    Returns:
        dict: The item with the new label.

    Examples:
        >>> from ccsam_mm.datasets.labels_of_items import set_label
        >>> set_label(dict(img='pixels', gt_label=7), -1)
        {'img': 'pixels', 'gt_label': -1}
    """
    samples = _data_samples(item)
    if not samples:
        return {**item, 'gt_label': label}
    for sample in samples:
        sample.set_gt_label(label)
    return item


def _data_samples(item: dict) -> list:
    """One data sample, none before packing, several with test-time augmentation."""
    samples = item.get('data_samples', [])
    return samples if isinstance(samples, list) else [samples]
