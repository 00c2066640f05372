# Copyright (c) ccsam_mm contributors. All rights reserved.
"""What every other package uses; nothing here knows of models or data."""
