#!/bin/sh
# Speaks the protocol of Ryuk, which Testcontainers starts to remove what a client leaves. The module proxy does not serve Ryuk itself.
# A client connects to port 8080, sends lines of filters, each of which is acknowledged, and keeps the connection. Some seconds after
# its end, everything that a line matches is removed.
set -eu

if [ "${1-}" = connection ]; then
	while read -r filters; do
		printf '%s\n' "$filters" | tr -d '\r' >>/tmp/filters
		echo ACK
	done
	exit 0
fi

echo "$(date) Started!"
nc -l -p 8080 -e reaper connection || true
seconds=${RYUK_RECONNECTION_TIMEOUT:-10s}
sleep "${seconds%s}"
while read -r filters; do
	# Several filters of a line, all of which must match, are separated by &.
	# shellcheck disable=SC2046 # one argument each
	set -- $(printf '%s\n' "$filters" | sed 's/^/--filter=/; s/&/ --filter=/g')
	docker container ls --all --quiet "$@" | xargs -r docker container rm --force --volumes
	docker network ls --quiet "$@" | xargs -r docker network rm
	docker volume ls --quiet "$@" | xargs -r docker volume rm
done </tmp/filters
