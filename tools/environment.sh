# Finds or makes the Python environment of quickstart.sh and run_tests.sh; source it
# after common.sh. Installed packages are never replaced: a full mmcv or the forks stay.

# missing: print the requirements that pip must install for `import ccsam_mm`.
missing() {
    python - "$REPO/ccsam_mm/version.py" <<'PYTHON'
import importlib.metadata
import importlib.util
import runpy
import sys

version = runpy.run_path(sys.argv[1])
absent = [n for n in version['SUPPORTED'] if importlib.util.find_spec(n) is None]
try:
    importlib.metadata.version('onedl-mmengine')
    choice = -1  # the maintained forks are in use
except importlib.metadata.PackageNotFoundError:
    choice = 0
for name in absent:
    print(version['DISTRIBUTIONS'][name][choice] + version['SUPPORTED'][name])
PYTHON
}

# use_environment [REQUIREMENTS...]: activate an environment with all requirements.
use_environment() {
    local packages requirements
    command -v python >/dev/null || python() { python3 "$@"; }
    if [[ -z ${VIRTUAL_ENV:-}${CONDA_PREFIX:-} && -n $(missing) ]]; then
        if [[ ! -f $REPO/.venv/bin/activate ]]; then
            echo "== making the environment $REPO/.venv"
            python3 -m venv "$REPO/.venv"
        fi
        unset -f python
        source "$REPO/.venv/bin/activate"
    fi
    mapfile -t packages < <(missing)
    requirements=()
    for name in runtime "$@"; do
        requirements+=(-r "$REPO/requirements/$name.txt")
    done
    echo "== using $(python -c 'import sys; print(sys.executable)'); installing what is missing: ${packages[*]:-nothing}"
    python -m pip install --quiet "${packages[@]}" "${requirements[@]}"
    # The package itself, so that configs in other folders find it, too.
    (cd / && python -c 'import importlib.util as u; exit(not u.find_spec("ccsam_mm"))') ||
        python -m pip install --quiet --no-deps --editable "$REPO"
}
