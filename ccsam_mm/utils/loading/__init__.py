# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Loads checkpoints safely, and tells what of a model they have filled."""
