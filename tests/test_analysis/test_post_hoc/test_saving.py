# Copyright (c) ccsam_mm contributors. All rights reserved.
import pytest
import torch
from tiny_network import tiny_model

from ccsam_mm.analysis.post_hoc import Result, check_save, save_path, save_result
from ccsam_mm.evaluation.post_hoc import Candidate, Layer, Method


def result(name, value, layer):
    candidate = Candidate(value, None, layer)
    return Result(Method(name, [candidate]), candidate, False, {}, {})


@pytest.fixture
def origin(tmp_path):
    torch.save(dict(meta=dict(epoch=3), state_dict={}), tmp_path / 'a.pth')
    return str(tmp_path / 'a.pth')


def test_layer_replaces_the_last_one_and_nothing_else(tmp_path, origin):
    model = tiny_model(dtype=torch.float32)
    layer = Layer(torch.randn(5, 4), torch.randn(5))
    path = tmp_path / 'new' / 'b.pth'
    save_result(result('tau_norm', '0.7', layer), model, 'fc', origin, str(path))
    saved = torch.load(path)
    expected = dict(model.state_dict())
    expected.update({'head.fc.weight': layer.weight, 'head.fc.bias': layer.bias})
    assert saved['state_dict'].keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(saved['state_dict'][name], value)
    chosen = dict(method='tau_norm', parameter='0.7', checkpoint=origin)
    assert saved['meta'] == dict(epoch=3, post_hoc=chosen)
    assert list(path.parent.iterdir()) == [path]


def test_head_without_bias_takes_a_layer_without(tmp_path, origin):
    model = tiny_model(dtype=torch.float32)
    model.head.fc = torch.nn.Linear(4, 5, bias=False)
    path = str(tmp_path / 'b.pth')
    weight = torch.randn(5, 4)
    plain = result('tau_norm', '0.7', Layer(weight, torch.zeros(5)))
    save_result(plain, model, 'fc', origin, path)
    assert 'head.fc.bias' not in torch.load(path)['state_dict']
    shifted = result('logit_adjustment', '1.0', Layer(weight, torch.ones(5)))
    with pytest.raises(ValueError, match='needs a bias, which head.fc does not have'):
        save_result(shifted, model, 'fc', origin, path)


@pytest.mark.parametrize(
    ('name', 'value', 'layer_name', 'said'),
    [
        ('nearest_mean', 'cl2n_l2', 'fc', 'no linear layer.*: save nearest_mean:un_l2'),
        ('prior_correction', '', 'fc', 'no image of some class.*numbers above 0'),
        ('temperature', '2', None, 'LinearClsHead are not those of a plain linear'),
        ('tau_norm', '2.0', None, 'LinearClsHead has no tau_norm'),
    ],
)
def test_what_no_layer_predicts_is_refused(
    tmp_path, origin, name, value, layer_name, said
):
    path = tmp_path / 'b.pth'
    given = result(name, value, None)
    with pytest.raises(ValueError, match=said):
        save_result(given, tiny_model(), layer_name, origin, str(path))
    assert not path.exists()


@pytest.mark.parametrize(
    ('name', 'said'),
    [
        ('tau_nrm', "is no method: did you mean 'tau_norm'"),
        ('xyz', 'is no method: name one of tau_norm, nearest_mean'),
        ('as_trained', 'is no method'),
        ('tau_norm:0.75', 'give tau_norm one of 0.0, 0.1'),
        ('temperature:2', 'give temperature no value'),
        ('nearest_mean:l2n_l2', 'no linear layer.* or nearest_mean:cl2n_cosine'),
    ],
)
def test_wrong_names_are_refused(name, said):
    with pytest.raises(ValueError, match=said):
        check_save(name)


def test_default_file_and_the_checkpoint_itself(origin):
    found = save_path(['tau_norm:0.7'], origin, 'work')
    assert found == origin.replace('a.pth', 'a.tau_norm_0.7.pth')
    assert save_path(['tau_norm', 'b.pth'], origin, 'work') == 'b.pth'
    with pytest.raises(ValueError, match='would overwrite .*a.pth: name another'):
        save_path(['tau_norm', origin], origin, 'work')
