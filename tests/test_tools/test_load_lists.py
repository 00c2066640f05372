# Copyright (c) ccsam_mm contributors. All rights reserved.
import re


def test_prints_every_figure(load_tool, monkeypatch, capsys):
    sizes = ['--entries', '60', '--classes', '5', '--rounds', '1']
    monkeypatch.setattr('sys.argv', ['load_lists.py', *sizes, '--files'])
    load_tool('benchmarks/load_lists').main()
    out = capsys.readouterr().out
    assert out.startswith('60 training images of 5 classes\n')
    assert re.findall(r'load (\w+)', out) == ['train', 'val', 'train', 'val', 'train']
    assert len(re.findall(r'\d+\.\d\d s CPU', out)) == 5
    assert re.findall(r'memory (.+): \d+ MB held', out) == [
        'serialised',
        'as a list of dicts',
    ]
