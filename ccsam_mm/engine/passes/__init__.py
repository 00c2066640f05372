# Copyright (c) ccsam_mm contributors. All rights reserved.
"""How one training forward is evaluated again with other weights."""
