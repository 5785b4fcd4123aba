#!/bin/sh
# Install tuitrain, its data set and its weights from this folder, without a network: sh install.sh [VENV]
# VENV is the folder of the virtual environment, by default venv in this folder; PYTHON=FILE names the Python.
# A second run repairs or updates the installation. Existing files in the caches stay as they are.
set -eu
WITHOUT_TORCH=@WITHOUT_TORCH@

fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

usage="usage: sh install.sh [VENV], or PYTHON=FILE sh install.sh [VENV]"
[ $# -le 1 ] || fail "too many arguments; $usage"
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
venv=${1:-$here/venv}
case $venv in
    /*) ;;
    -*) fail "$usage" ;;
    *) venv=$PWD/$venv ;;
esac
case $venv in
    # pip writes the path into the first lines of programs, in double quotes.
    *[\"\$\`\\]*) fail "a virtual environment does not work in $venv, whose path contains one of \" \$ \` \\; choose another folder: sh install.sh VENV" ;;
esac
case ${PYTHON:-} in
    /*) ;;
    */*) PYTHON=$PWD/$PYTHON ;;
esac
cd -- "$here"

# Print why the Python $1 cannot install the packages, and the advice $2; print nothing if it can.
check() {
    "$1" - "$@" <<'CHECK'
import os, platform, sys
python, advice = sys.argv[1:]
version, machine = "%d.%d" % sys.version_info[:2], platform.machine()
try:
    glibc = os.confstr("CS_GNU_LIBC_VERSION").split()[1]
    old = [int(part) for part in glibc.split(".")[:2]] < [2, @GLIBC@]
except Exception:
    glibc, old = "unknown", True
if version != "@PYTHON@":
    sys.exit(print("%s is Python %s, and the packages are for Python @PYTHON@; %s" % (python, version, advice)))
if machine != "@ARCH@":
    sys.exit(print("this machine is %s, and the packages are for @ARCH@; pack with --arch %s" % (machine, machine)))
if old:
    sys.exit(print("the packages need glibc 2.@GLIBC@ or newer; that of this machine is %s" % glibc))
try:
    import ensurepip, venv
except ImportError:
    sys.exit(print("%s lacks venv or ensurepip; install python@PYTHON@-venv, or %s" % (python, advice)))
from importlib.util import find_spec
if "@WITHOUT_TORCH@" and not (find_spec("torch") and find_spec("torchvision")):
    print("%s lacks torch or torchvision, which are not packed; %s" % (python, advice))
CHECK
}

# A shim of pyenv exists, but fails if its Python is missing.
works() { "$python" -c '' >/dev/null 2>&1; }
python=$venv/bin/python
if works && "$python" -m pip --version >/dev/null 2>&1; then
    advice="choose another folder: sh install.sh VENV"
    made=yes
else
    advice="choose another one: PYTHON=/path/to/python@PYTHON@ sh install.sh"
    made=
    python=${PYTHON:-python@PYTHON@}
    works || [ -n "${PYTHON:-}" ] || python=python3
    works || fail "$python does not run, and the packages need Python @PYTHON@; $advice"
fi
problem=$(check "$python" "$advice") || fail "$python cannot be checked"
[ -z "$problem" ] || fail "$problem"

if [ -z "$made" ]; then
    if [ -e "$venv" ] && [ ! -f "$venv/pyvenv.cfg" ] && [ -n "$(ls -A -- "$venv")" ]; then
        fail "$venv exists and is not a virtual environment; choose another folder: sh install.sh VENV"
    fi
    echo "creating the virtual environment"
    if ! output=$("$python" -m venv ${WITHOUT_TORCH:+--system-site-packages} -- "$venv" 2>&1); then
        case $output in
            # Debian's Python may have ensurepip without the pip that it installs.
            *ensurepip*) fail "$python lacks what ensurepip installs; install python@PYTHON@-venv, or $advice" ;;
        esac
        fail "$venv cannot be created: $(printf '%s\n' "$output" | tail -n 1)"
    fi
    # A virtual environment that is made from another one does not see the packages of that one.
    [ -z "$WITHOUT_TORCH" ] || "$python" - "$venv" <<'PACKAGES' || fail "$venv cannot be written"
import os, sys, sysconfig
if sys.prefix != sys.base_prefix:
    folder = sysconfig.get_path("purelib", "venv", {"base": sys.argv[1]})
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "server.pth"), "w") as file:
        file.write(sysconfig.get_path("purelib") + "\n")
PACKAGES
    problem=$(check "$venv/bin/python" "remove $venv") || fail "$venv/bin/python does not run; remove $venv"
    [ -z "$problem" ] || fail "$problem"
fi

echo "installing the packages"
install() {
    # Settings of pip for this user or machine may name indexes that cannot be reached.
    # --no-deps: the list is complete, and pip would also check what the server's own torch requires.
    "$venv/bin/python" -m pip --isolated --disable-pip-version-check install --quiet --no-index --no-deps "$@" ||
        fail "the packages cannot be installed; the lines above say why"
}
install --find-links wheels -r requirements.txt
# The version of a newer bundle may be equal.
install --force-reinstall "wheels/@WHEEL@"
problem=$("$venv/bin/python" - <<'VERSIONS'
from importlib.metadata import requires, version
from packaging.requirements import Requirement
for requirement in map(Requirement, requires("tuitrain")):
    if requirement.name in ("torch", "torchvision") and not requirement.specifier.contains(version(requirement.name)):
        print("%s %s is installed, and tuitrain requires %s" % (requirement.name, version(requirement.name), requirement))
VERSIONS
) || fail "the versions of the packages cannot be checked"
[ -z "$problem" ] || fail "$problem"

if [ -d cache ]; then
    echo "copying the data set and the weights"
    caches=${XDG_CACHE_HOME:-$HOME/.cache}
    "$venv/bin/python" - cache/tuitrain "$caches/tuitrain" cache/torch "${TORCH_HOME:-$caches/torch}" \
        cache/huggingface/hub "${HF_HUB_CACHE:-${HF_HOME:-$caches/huggingface}/hub}" <<'COPY' ||
import os, shutil, sys
kept = 0
for source, target in zip(sys.argv[1::2], sys.argv[2::2]):
    for folder, _, names in os.walk(source):
        to = os.path.join(os.path.expanduser(target), os.path.relpath(folder, source))
        os.makedirs(to, exist_ok=True)
        for name in names:
            path = os.path.join(to, name)
            if os.path.lexists(path):
                kept += 1
                continue
            # An interrupted copy leaves no file that looks complete.
            draft = "%s.%d.tmp" % (path, os.getpid())
            shutil.copy2(os.path.join(folder, name), draft, follow_symlinks=False)
            os.rename(draft, path)
if kept:
    print("%d files were there already, and stay as they are" % kept)
COPY
        fail "the caches cannot be written; the line above says why"
fi

"$venv/bin/tuitrain" --version
"$venv/bin/python" - "$here" "$venv/bin/tuitrain" <<'START'
import shlex, sys
print("Start the run:\n\n    cd %s\n    %s train -c run.toml@TRUST@" % tuple(map(shlex.quote, sys.argv[1:])))
START
