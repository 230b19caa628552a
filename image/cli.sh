# shellcheck shell=sh
# The docker CLI of this image and its plugins, for the pod's other containers, whatever those are made of. A program that
# needs libraries is copied with them and with their loader, and called by a script: so it runs on another C library, too, as long as
# there is a /bin/sh. A static one is copied as it is. Sourced by entrypoint; what is set here begins with cli_.

# FILE SCRIPT: FILE becomes SCRIPT in $DIND_CLI, to be called at that place. Fails if it is dynamic and its libraries are not told.
cli_copy() {
	cli_name=${1##*/} cli_loader=
	cli_target=$DIND_CLI/$2
	mkdir -p "${cli_target%/*}" "$DIND_CLI/bin" "$DIND_CLI/lib"
	# ldd fails for a static program, and says so in many ways.
	if ! cli_needs=$(ldd "$1" 2>/dev/null); then cli_needs=''; fi
	while read -r cli_first cli_arrow cli_path _; do
		case $cli_first$cli_arrow in
		/*"=>") cli_loader=${cli_path:-$cli_first} ;;
		/*) cli_loader=$cli_first ;;
		*"=>") cp -L "$cli_path" "$DIND_CLI/lib/$cli_first" || return 1 ;;
		esac
	done <<-EOT
		$cli_needs
	EOT
	if [ -z "$cli_loader" ]; then
		cp -L "$1" "$cli_target" && chmod 755 "$cli_target"
		return
	fi
	cp -L "$cli_loader" "$DIND_CLI/lib/loader" && cp -L "$1" "$DIND_CLI/bin/$cli_name" || return 1
	printf '#!/bin/sh\nexec %s/lib/loader --library-path %s/lib %s/bin/%s "$@"\n' \
		"$DIND_CLI" "$DIND_CLI" "$DIND_CLI" "$cli_name" >"$cli_target"
	chmod 755 "$cli_target" "$DIND_CLI/lib/loader" "$DIND_CLI/bin/$cli_name"
}

# Once for each pod: a container that is started again finds it there, and workloads may be using it.
cli_offer() {
	[ -n "${DIND_CLI-}" ] && [ ! -e "$DIND_CLI/.complete" ] || return 0
	doing Daemon DockerCliNotFound "Copying the docker CLI for the workloads"
	cli_program=$(command -v docker) || cli_program=''
	if [ -z "$cli_program" ] || ! command -v ldd >/dev/null; then
		fail Daemon DockerCliNotFound "The daemon's image lacks docker or ldd in PATH ($PATH), and workloads.dockerCli asks for its \
docker CLI. Set daemon.image to an image with both, for example docker:dind, or set workloads.dockerCli to false and have the CLI in the \
workload's image."
	fi
	mkdir -p "$DIND_CLI/cli-plugins"
	# What a container that was killed meanwhile has half copied.
	rm -f "$DIND_CLI"/cli-plugins/*
	cli_copy "$cli_program" docker
	for cli_folder in /usr/local/lib /usr/local/libexec /usr/lib /usr/libexec; do
		for cli_plugin in "$cli_folder"/docker/cli-plugins/docker-*; do
			if [ -f "$cli_plugin" ] && [ ! -e "$DIND_CLI/cli-plugins/${cli_plugin##*/}" ]; then
				cli_copy "$cli_plugin" "cli-plugins/${cli_plugin##*/}"
			fi
		done
	done
	cli_said=$("$DIND_CLI/docker" --version 2>&1) || fail Daemon DockerCliNotFound "The docker CLI of the daemon's image does not \
run when it is copied: $cli_said. Set workloads.dockerCli to false and have the CLI in the workload's image."
	: >"$DIND_CLI/.complete"
	say "the workloads have $cli_said"
}
