#!/bin/bash
# Writes the go.mod and go.sum of a program in FOLDER (kubenode, kubectl) for a release of Kubernetes; commit both.
# usage: pin-kubernetes.sh FOLDER VERSION [MODFILE]
# MODFILE (go.mod) is for `go build -modfile`, by which older releases are built from the same sources:
#   pin-kubernetes.sh kubenode 1.36.3 1.36.3.mod
set -euo pipefail
cd "$(dirname "$0")/$1"
version=$2 modfile=${3:-go.mod}
# The modules that live in Kubernetes' own repository have its version with a 0 in place of the 1. Its go.mod lists them.
staging=v0.${version#1.}
pinned=$(GOFLAGS=-mod=mod go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p')
modules=$(sed -n 's/^\t\(k8s\.io\/[a-z-]*\) => .*/\1/p' "$pinned")
{
  printf 'module %s\n\ngo %s\n\nrequire (\n' "${PWD##*/}" "$(sed -n 's/^go //p' "$pinned")"
  for module in $modules; do
    ! grep -q "\"$module/" main.go || printf '\t%s %s\n' "$module" "$staging"
  done
  if grep -q '"k8s.io/kubernetes/' main.go; then
    printf '\tk8s.io/kubernetes v%s\n' "$version"
    # The server of the release that Kubernetes' own client of etcd is of.
    printf '\tgo.etcd.io/etcd/server/v3 %s\n' "$(sed -n 's/^\tgo\.etcd\.io\/etcd\/client\/v3 //p' "$pinned")"
  fi
  printf ')\n\nreplace (\n'
  for module in $modules; do
    printf '\t%s => %s %s\n' "$module" "$module" "$staging"
  done
  printf ')\n'
} >"$modfile"
rm -f "${modfile%.mod}.sum"
GOFLAGS=-mod=mod go mod tidy -modfile="$modfile"
