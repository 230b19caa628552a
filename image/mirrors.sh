# shellcheck shell=sh
# Mirrors of registries, for pulls and builds of every Docker. DIND_REGISTRY_MIRRORS has them as REGISTRY=URL in a word,
# DIND_REGISTRY_INSECURE the insecure registries. daemon.json has the mirrors of Docker Hub, which is all that an image store other
# than containerd's knows. From version 28 on, builds and the containerd image store read a hosts.toml for each registry; before it,
# builds read daemon.json in a way of their own. A builder of buildx has a file of its own, which is made here, too.
# Sourced by entrypoint after lib.sh and registry.sh.

builder_config=/etc/buildkit/buildkitd.toml

# URL: sets mirror_scheme, mirror_host and mirror_path, which has no slash at its end.
mirror_split() {
	mirror_scheme=${1%%://*} mirror_host=${1#*://} mirror_path=''
	case $mirror_host in
	*/*) mirror_path=/${mirror_host#*/} mirror_host=${mirror_host%%/*} ;;
	esac
	while [ "$mirror_path" != "${mirror_path%/}" ]; do mirror_path=${mirror_path%/}; done
}

# Sets mirror_host to the host with its port, for a URL with http: a program that is told only the host would use 443.
mirror_port() {
	case $mirror_host in
	*"]") mirror_host=$mirror_host:80 ;;
	*:*) ;;
	*) mirror_host=$mirror_host:80 ;;
	esac
}

mirrored_registries() {
	for word in ${DIND_REGISTRY_MIRRORS-}; do printf '%s\n' "${word%%=*}"; done | sort -u
}

# REGISTRY: its mirrors in their order. With and without a slash at the end a URL is the same, and a file may have it only once.
mirrors_of() {
	seen=''
	for word in ${DIND_REGISTRY_MIRRORS-}; do
		[ "${word%%=*}" = "$1" ] || continue
		mirror_split "${word#*=}"
		url=$mirror_scheme://$mirror_host$mirror_path
		! among "$url" "$seen" || continue
		seen="$seen $url"
		printf '%s\n' "$url"
	done
}

# HOST: the files with its authorities, as a line of TOML; nothing without any.
mirror_authorities() {
	list=''
	for entry in ${DIND_REGISTRY_CAS-}; do
		[ "${entry%%=*}" != "$1" ] || list="\"$registry_files/certs.d/$1/ca.crt\""
	done
	[ -z "${DIND_CA_BUNDLE-}" ] || list="$list${list:+, }\"$registry_trust\""
	[ -z "$list" ] || printf 'ca = [%s]\n' "$list"
}

# --- Docker 28 and later ---

mirror_hosts() {
	doing Daemon RegistryFilesNotLinked "Writing the mirrors of registries"
	for registry in $(registries_with_hosts); do
		mkdir -p "/etc/docker/certs.d/$registry"
		mirror_hosts_of "$registry" >"/etc/docker/certs.d/$registry/hosts.toml"
	done
}

# dockerd compares the mirrors of Docker Hub with ranges of insecure addresses only where there is no file for it.
registries_with_hosts() {
	for registry in $(mirrored_registries); do
		case $registry:${DIND_REGISTRY_INSECURE-} in
		docker.io:*/*) ;;
		*) echo "$registry" ;;
		esac
	done
}

# REGISTRY
mirror_hosts_of() {
	# With http and a setting of TLS, https is tried first: what an insecure registry is to dockerd.
	! among "$1" "${DIND_REGISTRY_INSECURE-}" || printf 'server = "http://%s"\nskip_verify = true\n' "$1"
	mirror_authorities "$1"
	for url in $(mirrors_of "$1"); do
		mirror_split "$url"
		printf '\n[host."%s"]\ncapabilities = ["pull", "resolve"]\n' "$url"
		[ "$mirror_scheme" = https ] || continue
		! among "$mirror_host" "${DIND_REGISTRY_INSECURE-}" || printf 'skip_verify = true\n'
		mirror_authorities "$mirror_host"
	done
}

# FILE: dockerd's configuration. ARGUMENTS: dockerd's. Mirrors of other registries than Docker Hub need builds and pulls by the containerd
# image store, the default from version 29 on for a volume without images of another store.
mirror_require() {
	file=$1
	shift
	others=''
	for registry in $(mirrored_registries); do
		[ "$registry" = docker.io ] || others="$others${others:+, }$registry"
	done
	[ -n "$others" ] || return 0
	doing Daemon MirrorsUnsupported "Checking the image store for mirrors"
	[ "${docker_major:-29}" -ge 28 ] || mirror_refused "Docker $docker_version knows only mirrors of docker.io" \
		"Use an image with Docker 29 in daemon.image"
	case $(cat "$file") in
	*'"containerd-snapshotter":true'*) return 0 ;;
	*'"containerd-snapshotter":false'*) mirror_refused "features.containerd-snapshotter is false in daemon.config" "Remove it" ;;
	esac
	[ "${docker_major:-29}" -ge 29 ] || mirror_refused "docker pull of Docker $docker_version uses them only with the containerd image store" \
		"Set features.containerd-snapshotter to true in daemon.config, or use Docker 29"
	for driver in overlay2 fuse-overlayfs btrfs zfs vfs; do
		case "$(cat "$file") ${storage_flag-} $* " in
		*"\"storage-driver\":\"$driver\""* | *"--storage-driver=$driver "* | *"--storage-driver $driver "* | *" -s $driver "* | *"-s=$driver "*)
			mirror_refused "with the storage driver $driver dockerd does not use the containerd image store" \
				"Remove the storage driver from daemon.config and daemon.args"
			;;
		esac
	done
	for driver in overlay2 fuse-overlayfs btrfs zfs; do
		[ -z "$(ls -A "${docker_volume:?}/$driver" 2>/dev/null)" ] || mirror_refused \
			"the volume has images of the storage driver $driver, so dockerd does not use the containerd image store" \
			"Use an empty volume, or set features.containerd-snapshotter to true in daemon.config"
	done
}

# WHY REMEDY
mirror_refused() {
	fail Daemon MirrorsUnsupported "registry.mirrorsFor has mirrors of $others, but $1. $2, or remove registry.mirrorsFor."
}

# --- Docker before 28 ---

# FILE: dockerd's configuration. ARGUMENTS: dockerd's. Builds take only host and path of a mirror, put the path behind /v2, and use https
# unless the host with its port is an insecure registry; pulls put /v2 behind the path. So a mirror with a path stands there twice, each
# time for one of them, and one with http is an insecure registry, too.
mirror_old_builds() {
	[ "${docker_major:-29}" -lt 28 ] || return 0
	file=$1 plain=''
	shift
	for word in ${DIND_REGISTRY_MIRRORS-}; do
		[ "${word%%=*}" = docker.io ] || continue
		mirror_split "${word#*=}"
		if [ "$mirror_scheme" = http ]; then
			mirror_port
			among "$mirror_host" "${DIND_REGISTRY_INSECURE-} $plain" || plain="$plain $mirror_host"
		fi
		new="\"$mirror_scheme://$mirror_host$mirror_path\""
		[ -z "$mirror_path" ] || new="$new,\"$mirror_scheme://$mirror_host/..$mirror_path/v2\""
		old=$(printf '%s' "${word#*=}" | sed 's/[].*^$[]/\\&/g')
		sed -i "s|\"$old\"|$new|" "$file"
	done
	# dockerd refuses a setting that is both a flag and a key.
	case " $*" in *" --insecure-registry"* | *" -insecure-registry"*) return 0 ;; esac
	for host in $plain; do
		case $(cat "$file") in
		*'"insecure-registries":[]'*) sed -i "s|\"insecure-registries\":\[|&\"$host\"|" "$file" ;;
		*'"insecure-registries":['*) sed -i "s|\"insecure-registries\":\[|&\"$host\",|" "$file" ;;
		*) sed -i "s|^{|{\"insecure-registries\":[\"$host\"],|" "$file" ;;
		esac
	done
}

# --- builders of buildx with the driver docker-container ---

# BuildKit reads it, and buildx takes it for every builder that the CLI of this container creates, with the files it names.
mirror_builder() {
	hosts=$(mirror_builder_hosts)
	[ -n "$hosts" ] || return 0
	doing Daemon RegistryFilesNotLinked "Writing the configuration of builders"
	mkdir -p "${builder_config%/*}" "${HOME:-/root}/.docker/buildx"
	for registry in $hosts; do mirror_builder_registry "$registry"; done >"$builder_config"
	ln -sf "$builder_config" "${HOME:-/root}/.docker/buildx/buildkitd.default.toml"
}

mirror_builder_hosts() {
	{
		[ -z "${DIND_CA_BUNDLE-}" ] || echo docker.io
		for word in ${DIND_REGISTRY_CAS-}; do printf '%s\n' "${word%%=*}"; done
		for word in ${DIND_REGISTRY_INSECURE-}; do
			case $word in */*) ;; *) printf '%s\n' "$word" ;; esac
		done
		for word in ${DIND_REGISTRY_MIRRORS-}; do
			mirror_split "${word#*=}"
			[ "$mirror_scheme" = https ] || mirror_port
			printf '%s\n%s\n' "${word%%=*}" "$mirror_host"
		done
	} | sort -u
}

# REGISTRY
mirror_builder_registry() {
	printf '[registry."%s"]\n' "$1"
	list='' plain=''
	for word in ${DIND_REGISTRY_MIRRORS-}; do
		mirror_split "${word#*=}"
		[ "$mirror_scheme" = http ] || continue
		mirror_port
		[ "$mirror_host" != "$1" ] || plain=1
	done
	for url in $(mirrors_of "$1"); do
		mirror_split "$url"
		[ "$mirror_scheme" = https ] || mirror_port
		# BuildKit puts the path behind /v2.
		list="$list${list:+, }\"$mirror_host${mirror_path:+/..$mirror_path/v2}\""
	done
	[ -z "$list" ] || printf '  mirrors = [%s]\n' "$list"
	if [ -n "$plain" ]; then
		printf '  http = true\n'
	elif among "$1" "${DIND_REGISTRY_INSECURE-}"; then
		printf '  http = true\n  insecure = true\n'
	fi
	authorities=$(mirror_authorities "$1")
	[ -z "$authorities" ] || printf '  %s\n' "$authorities"
}
