# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope


@pytest.fixture
def quick_runners(monkeypatch):
    """Runners start quickly, and leave nothing to the runners of other tests."""
    # Asking compilers for their versions takes half a second per runner.
    for module in ('runner.runner', '_strategy.base'):
        monkeypatch.setattr(f'mmengine.{module}.collect_env', dict)
    # Leave no current scope and no progress of a training to other tests.
    for manager in (DefaultScope, MessageHub):
        monkeypatch.setattr(manager, '_instance_dict', manager._instance_dict.copy())
