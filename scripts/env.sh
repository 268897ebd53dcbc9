# shellcheck shell=bash disable=SC1091,SC2034,SC2296
# source scripts/env.sh: the environment of amf_ros in this shell (bash or zsh), after `make setup`.
# Puts .venv, its ROS 2 where none was sourced, and the built packages on the paths. Sourcing it twice does no harm.

_amf_root=$(cd "$(dirname "${BASH_SOURCE[0]:-${(%):-%x}}")/.." && pwd)

if [ ! -f "$_amf_root/install/local_setup.sh" ] || [ ! -x "$_amf_root/.venv/bin/python" ]; then
  echo "amf_ros is not set up: run 'make setup' in $_amf_root" >&2
  unset _amf_root
  return 1
fi

_amf_prepend() {  # NAME ENTRY
  eval "case \":\${$1:-}:\" in *:\"\$2\":*) ;; *) export $1=\"\$2\${$1:+:\$$1}\" ;; esac"
}

_amf_prepend PATH "$_amf_root/.venv/bin"
export VIRTUAL_ENV=$_amf_root/.venv
if [ "$(cat "$_amf_root/.venv/.amf/origin")" = wheels ]; then
  _amf_prepend AMENT_PREFIX_PATH "$_amf_root/.venv"
  ROS_DISTRO=$(cat "$_amf_root/.venv/.amf/distro") && export ROS_DISTRO
elif [ -z "${AMENT_PREFIX_PATH:-}" ]; then
  echo "amf_ros was set up with a sourced ROS 2: source it first, then this file" >&2
fi
# colcon's own script, told where it lies because a POSIX shell cannot find out.
COLCON_CURRENT_PREFIX=$_amf_root/install
. "$_amf_root/install/local_setup.sh"
unset COLCON_CURRENT_PREFIX _amf_root
unset -f _amf_prepend
