# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Helpers for all other packages; they know no models or data."""
