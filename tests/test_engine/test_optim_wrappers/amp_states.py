# Copyright (c) ccsam_mm contributors. All rights reserved.
"""The state of a wrapper in mixed precision, saved and loaded."""

import copy


def assert_state_round_trip(model, batch, amp_wrapper):
    """After a step, another wrapper takes over the state of the loss scaler."""
    wrapper = amp_wrapper(model, dtype='bfloat16')
    model.train_step(batch, wrapper)
    state = copy.deepcopy(wrapper.state_dict())
    fresh = amp_wrapper(model, init_scale=1.0, dtype='bfloat16')
    fresh.load_state_dict(copy.deepcopy(state))
    assert fresh.state_dict()['loss_scaler'] == state['loss_scaler']
