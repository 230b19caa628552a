#!/usr/bin/env bash
# All tiers, with the time each took. The slow preparation (Go tools, images) is said aloud and cached.
# A tier that fails does not hide the others: all run, and the exit code says whether any failed.
# Integration and e2e mostly wait, for different things, so they run beside each other on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=()
times=()
note() { # name seconds status
  if [ "$3" -eq 0 ]; then
    times+=("$(printf '%-14s %5d s' "$1" "$2")")
  else
    times+=("$(printf '%-14s %5d s  FAILED' "$1" "$2")")
    failed+=("$1")
  fi
}
run() { # target...
  make --no-print-directory "$@"
}
step() { # name target...
  local name=$1 start=$SECONDS status=0
  shift
  printf '\n==> %s\n' "$name"
  run "$@" || status=$?
  note "$name" $((SECONDS - start)) "$status"
}
step setup setup
step lint lint
step tools tools
step unit unit

log=$(mktemp)
beside=
# However this ends, nothing of it runs on: make and pytest are in a process group of their own.
trap '[ -z "$beside" ] || kill -TERM -- "-$beside" 2>/dev/null || :; rm -f "$log"' EXIT
printf '\n==> integration (beside the cluster and e2e; its output comes when it is done)\n'
set -m
{
  start=$SECONDS status=0
  run integration || status=$?
  printf '%s %s\n' $((SECONDS - start)) "$status" >"$log.end"
} >"$log" 2>&1 </dev/null &
beside=$!
set +m

# The virtual node is started when its turn comes.
step cluster cluster images NODES=host
step e2e e2e NODES=host

printf '\n==> integration\n'
wait "$beside" || :
beside=
cat "$log"
if [ -s "$log.end" ]; then
  read -r seconds status <"$log.end"
else
  seconds=0 status=1
fi
rm -f "$log.end"
note integration "$seconds" "$status"

if [ "${CLUSTER:-embedded}" != current ]; then
  # With NODES=host,vm. Under emulation and beside other work its containerd loses containers: so it runs alone.
  case ${NODES:-host} in
    *vm*) step "virtual node" e2e-vm-short ;;
  esac
  if [ -z "${KEEP_CLUSTER:-}" ]; then
    step cluster-down cluster-down
  fi
fi

# Last, when nothing else runs: ratios within one run, against wide margins. They need a node of their own.
if [ "${CLUSTER:-embedded}" != current ]; then
  step bench bench-short
fi
printf '\n'
printf '    %s\n' "${times[@]}"
if [ ${#failed[@]} -gt 0 ]; then
  printf '\nfailed: %s\n' "${failed[*]}"
  exit 1
fi
printf '\nall passed in %d s\n' "$SECONDS"
