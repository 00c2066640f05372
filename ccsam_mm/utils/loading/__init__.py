# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Loads checkpoints safely, and records the weights that they fill."""
