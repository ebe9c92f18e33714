# shellcheck shell=sh
# Sourced by login shells.
export EDITOR=vi
