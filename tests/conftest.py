# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest


@pytest.fixture(autouse=True)
def empty_folder(tmp_path_factory, monkeypatch):
    """Run every test where nothing is: not among a clone's data/ and work_dirs/."""
    monkeypatch.chdir(tmp_path_factory.mktemp('cwd'))
