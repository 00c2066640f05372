# Copyright (c) ccsam_mm contributors. All rights reserved.
"""One rank of open-set tests; the first writes the scores into the given folder."""

import gc
import shutil
import sys
from pathlib import Path

import open_digits
import torch
from mmengine.dist import barrier, is_main_process
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS

from ccsam_mm.datasets import DigitsLT
from ccsam_mm.utils.cpu_process_groups import prepare_cpu_distributed


@DATASETS.register_module()
class DigitsWithBarrier(DigitsLT):
    """Waits for all ranks as CIFAR does: only if the first one finds the files."""

    is_missing = False

    def load_data_list(self):
        if self.is_missing and is_main_process():
            raise FileNotFoundError('no such digits')
        barrier()
        return super().load_data_list()


def main(checkpoint, out_dir):
    runner = run_test(checkpoint, out_dir, 'ranks')
    assert is_model_wrapper(runner.model)
    if is_main_process():
        metrics = runner.test_evaluator.metrics
        recorded = {metric.score_key: metric.recorded for metric in metrics}
        torch.save(recorded, f'{out_dir}/recorded.pth')
        shutil.copy(f'{checkpoint[:-4]}.open_set.pth', f'{out_dir}/ranks.pth')

    # Statistics of another data set are there; then those of this one.
    dataset = open_digits.known('train')
    dataset['dataset']['type'] = 'DigitsWithBarrier'
    hook = dict(type='OpenSetHook', train_dataset=dataset)
    for name, words in (
        ('anew', 'are made anew'),
        ('again', 'are used again'),
        ('missing', 'are used unchecked'),
    ):
        DigitsWithBarrier.is_missing = name == 'missing'
        runner = run_test(checkpoint, out_dir, name, custom_hooks=[hook])
        log = Path(f'{runner.log_dir}/{runner.timestamp}.log')
        assert not is_main_process() or words in log.read_text()


def run_test(checkpoint, out_dir, name, **changes):
    cfg = open_digits.config(
        f'{out_dir}/{name}',
        metric_type='RecordScores',
        load_from=checkpoint,
        env_cfg=dict(dist_cfg=dict(timeout=120)),  # seconds, not to wait for long
        **changes,
    )
    cfg.experiment_name = name
    cfg.launcher = 'pytorch'
    prepare_cpu_distributed(cfg)
    runner = Runner.from_cfg(cfg)
    runner.test()
    return runner


if __name__ == '__main__':
    main(*sys.argv[1:])
    gc.collect()  # the wrapped model, whose threads of gloo could abort the process
    torch.distributed.destroy_process_group()
