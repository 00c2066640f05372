# Copyright (c) ccsam_mm contributors. All rights reserved.
"""Imports between the packages point down, and files stay small."""

import ast
import statistics
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / 'ccsam_mm'
# What is above may import what is below; packages of one line may import each other.
FLOORS = (
    {'experiments', 'analysis', 'apis'},
    {'engine'},
    {'models', 'evaluation', 'datasets'},
    {'sharpness', 'utils'},
    {'version'},
)
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}


def modules():
    for path in sorted(PACKAGE.rglob('*.py')):
        yield '.'.join(path.relative_to(PACKAGE.parent).with_suffix('').parts), path


def imported(module, path):
    """Full names of what a module imports from the package."""
    package = module.split('.')[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = '.'.join([*base, *filter(None, [node.module])])
            yield name
            yield from (f'{name}.{alias.name}' for alias in node.names)


def edges():
    known = {name.removesuffix('.__init__') for name, _ in modules()}
    for module, path in modules():
        for name in imported(module, path):
            if name in known and name != module:
                yield module, name


def test_no_import_points_up():
    upward = []
    for module, name in edges():
        parts, others = module.split('.'), name.split('.')
        if len(parts) < 3 or len(others) < 2:  # the package itself imports everything
            continue
        if FLOOR_OF[others[1]] < FLOOR_OF[parts[1]]:
            upward.append(f'{module} -> {name}')
    assert not upward


def test_mathematics_knows_only_torch():
    for module, path in modules():
        if module.startswith('ccsam_mm.sharpness'):
            names = {name.partition('.')[0] for name in imported(module, path)}
            assert not any(name.startswith('mm') for name in names), module


def test_imports_of_files_have_no_circle():
    graph = {}
    for module, name in edges():
        if not module.endswith('__init__'):
            graph.setdefault(module, set()).add(name)
    done, path = set(), []

    def visit(module):
        assert module not in path, ' -> '.join([*path, module])
        if module in done:
            return
        path.append(module)
        for name in sorted(graph.get(module, ())):
            visit(name)
        path.pop()
        done.add(module)

    for module in sorted(graph):
        visit(module)


def test_files_are_small():
    lengths = {path: len(path.read_text().splitlines()) for _, path in modules()}
    assert not {str(path): n for path, n in lengths.items() if n > 300}
    assert statistics.median(lengths.values()) <= 90
