# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Version of the package; kept apart so that setup.py can read it without torch."""

__version__ = '0.1.0'
