# Copyright (c) ccsam_mm contributors. All rights reserved.
