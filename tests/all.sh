#!/usr/bin/env bash
# All tiers, with the time each took. The slow preparation (Go tools, images) is said aloud and cached.
# A tier that fails does not hide the others: all run, and the exit code says whether any failed.
# Integration and e2e mostly wait, for different things, so they run beside each other on two cores. When integration is done,
# the part of e2e that is about single features follows in its place, on a second cluster.
#
# What fails there is run once more by itself, when nothing else runs: a few tests of thousands may meet a deadline on a
# machine that does three things at once. Failed is what fails again; what does not is named in the table as unsteady,
# with its first failure above, to be looked into. More than a few failures are no accident and are not run again.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly accidents=5
# In minutes: CI's limit, and what of it the parts after e2e take, with room. (Booting the virtual node and bringing images
# there; its tests; a few of them once more; the benchmark.)
readonly limit=${DIND_TEST_MINUTES:-90} booting=10 virtual_node=25 another_try=10 afterwards=8
order=() unsteady=() untried='' within=''
declare -A seconds_of status_of
note() { # name seconds status
  order+=("$1")
  seconds_of[$1]=$2
  status_of[$1]=$3
}
run() { # target...: within the minutes that `within` gives, if it gives any; 124 when they were too few
  # What is run in the background has interrupts ignored, and so would not be ended by one.
  ${within:+env --default-signal=INT timeout --signal=INT "${within}m"} make --no-print-directory "$@"
}
step() { # name target...
  local name=$1 start=$SECONDS status=0
  shift
  printf '\n==> %s\n' "$name"
  run "$@" || status=$?
  note "$name" $((SECONDS - start)) "$status"
}
remaining() { # minutes until the last parts have to begin
  echo $((limit - afterwards - SECONDS / 60))
}
failures() { # tier: the tests that failed, a line each
  sed -n 's/^ *"\(.*\)": true,\{0,1\}$/\1/p' ".pytest_cache/$1/v/cache/lastfailed" 2>/dev/null || :
}
again() { # tier argument...
  local tier=$1 start=$SECONDS tests
  shift
  [ "${status_of[$tier]}" -ne 0 ] || return 0
  mapfile -t tests < <(failures "$tier")
  if [ ${#tests[@]} -eq 0 ] || [ ${#tests[@]} -gt $accidents ]; then
    return 0
  fi
  printf '\n==> %s: what failed (%d), by itself\n' "$tier" ${#tests[@]}
  if run "$tier" AGAIN='--last-failed --last-failed-no-failures none' "$@"; then
    status_of[$tier]=0
    unsteady+=("${tests[@]}")
  fi
  seconds_of[$tier]=$((seconds_of[$tier] + SECONDS - start))
}
step setup setup
step lint lint
step tools tools
rm -rf .pytest_cache/{unit,integration,e2e,e2e-features,e2e-vm-short,bench-short}
step unit unit
again unit

logs=$(mktemp -d)
beside=
tiers=(integration)
left_out=
if [ "${CLUSTER:-embedded}" != current ]; then
  tiers+=(e2e-features)
  left_out=left-out
fi
# However this ends, nothing of it runs on: make and pytest are in a process group of their own.
trap '[ -z "$beside" ] || kill -TERM -- "-$beside" 2>/dev/null || :; rm -rf "$logs"' EXIT
printf '\n==> %s (beside the cluster and e2e; the output comes when it is done)\n' "${tiers[*]}"
set -m
{
  for tier in "${tiers[@]}"; do
    start=$SECONDS status=0
    run "$tier" NODES=host >"$logs/$tier" 2>&1 || status=$?
    printf '%s %s\n' $((SECONDS - start)) "$status" >"$logs/$tier.end"
  done
} </dev/null &
beside=$!
set +m

# The virtual node is started when its turn comes.
step cluster cluster images NODES=host
step e2e e2e NODES=host E2E_FEATURES="$left_out"

wait "$beside" || :
beside=
for tier in "${tiers[@]}"; do
  printf '\n==> %s\n' "$tier"
  cat "$logs/$tier" 2>/dev/null || :
  if [ -s "$logs/$tier.end" ]; then
    read -r seconds status <"$logs/$tier.end"
  else
    seconds=0 status=1
  fi
  note "$tier" "$seconds" "$status"
done
again integration
again e2e NODES=host E2E_FEATURES="$left_out"
if [ -n "$left_out" ]; then
  again e2e-features NODES=host
  if [ -z "${KEEP_CLUSTER:-}" ]; then
    run e2e-features-down >/dev/null
  fi
fi

if [ "${CLUSTER:-embedded}" != current ]; then
  # Under emulation and beside other work its containerd loses containers: so it runs alone. What has no time left is
  # said in the table; it is not cut off half-way by somebody else's clock.
  case ${NODES:-host} in
    *vm*)
      if [ "$(remaining)" -lt $((booting + virtual_node)) ]; then
        untried="e2e-vm-short: $((SECONDS / 60)) of $limit minutes were gone (DIND_TEST_MINUTES); \`make e2e-vm-short\` runs it"
      else
        step "virtual node" cluster images NODES=host,vm
        within=$(remaining)
        step e2e-vm-short e2e-vm-short
        if [ "${status_of[e2e-vm-short]}" -eq 124 ] && [ -z "$(failures e2e-vm-short)" ]; then
          untried='e2e-vm-short: cut off by the limit of time (DIND_TEST_MINUTES); what of it ran has passed'
          status_of[e2e-vm-short]=0
        fi
        within=$(remaining)
        [ "$within" -lt "$another_try" ] || again e2e-vm-short
        within=
      fi
      ;;
    *) untried="e2e-vm-short: the virtual node was not asked for; 'make test NODES=host,vm' has it" ;;
  esac
  if [ -z "${KEEP_CLUSTER:-}" ]; then
    step cluster-down cluster-down
  fi
fi

# Last, when nothing else runs: ratios within one run, against wide margins. They need a node of their own.
if [ "${CLUSTER:-embedded}" != current ]; then
  step bench-short bench-short
  again bench-short
fi

failed=()
printf '\n'
for name in "${order[@]}"; do
  mark=
  if [ "${status_of[$name]}" -ne 0 ]; then
    mark='  FAILED'
    failed+=("$name")
  fi
  printf '    %-14s %5d s%s\n' "$name" "${seconds_of[$name]}" "$mark"
done
if [ ${#unsteady[@]} -gt 0 ]; then
  printf '\nunsteady (failed beside other work, passed by itself):\n'
  printf '    %s\n' "${unsteady[@]}"
fi
if [ -n "$untried" ]; then
  printf '\nNOT RUN, OR NOT TO ITS END: %s\n' "$untried"
fi
if [ ${#failed[@]} -gt 0 ]; then
  printf '\nfailed: %s\n' "${failed[*]}"
  exit 1
fi
printf '\nall passed in %d s\n' "$SECONDS"
