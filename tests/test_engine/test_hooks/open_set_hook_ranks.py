# Copyright (c) ccsam_mm contributors. All rights reserved.
"""One rank of an open-set test; the first writes the scores into the given folder."""

import gc
import sys

import open_digits
import torch
from mmengine.dist import is_main_process
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ccsam_mm.compat import prepare_cpu_distributed


def main(checkpoint, out_dir):
    cfg = open_digits.config(
        f'{out_dir}/ranks', metric_type='RecordScores', load_from=checkpoint
    )
    cfg.launcher = 'pytorch'
    prepare_cpu_distributed(cfg)
    runner = Runner.from_cfg(cfg)
    assert is_model_wrapper(runner.model)
    runner.test()
    if is_main_process():
        metrics = runner.test_evaluator.metrics
        recorded = {metric.score_key: metric.recorded for metric in metrics}
        torch.save(recorded, f'{out_dir}/recorded.pth')


if __name__ == '__main__':
    main(*sys.argv[1:])
    gc.collect()  # the wrapped model, whose threads of gloo could abort the process
    torch.distributed.destroy_process_group()
