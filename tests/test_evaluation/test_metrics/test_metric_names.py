# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest
from mmpretrain.evaluation import Accuracy, SingleLabelMetric

from ccsam_mm.evaluation import CalibrationMetric, OpenSetMetric, ShotAccuracy
from ccsam_mm.evaluation.metrics.metric_names import check_metric_names


@pytest.mark.parametrize(
    ('metrics', 'said'),
    [
        ((Accuracy(topk=(1, 5)), ShotAccuracy()), "Accuracy and .* 'accuracy/top1'"),
        ((ShotAccuracy(), Accuracy(thrs=None)), "ShotAccuracy and .* 'accuracy/top1'"),
        ((OpenSetMetric(), OpenSetMetric(score='energy')), "'openset/top1': give one"),
        ((CalibrationMetric(), CalibrationMetric()), "'calibration/ece': give one"),
        ((OpenSetMetric(prefix='a'), ShotAccuracy(prefix='a')), "'a/top1': .*`prefix`"),
    ],
)
def test_equal_names_are_refused(metrics, said):
    with pytest.raises(ValueError, match=said):
        check_metric_names(metrics)


def test_other_names_are_left_alone():
    check_metric_names(
        [
            ShotAccuracy(),
            CalibrationMetric(prefix='accuracy'),
            CalibrationMetric(),
            Accuracy(topk=5),
            Accuracy(thrs=(0.1, 0.2)),
            Accuracy(prefix='again'),
            SingleLabelMetric(),
            OpenSetMetric(),
            OpenSetMetric(prefix='again/openset'),
        ]
    )
