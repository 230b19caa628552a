# shellcheck shell=sh
# Authorities of registries and credentials for them, as the pod's volume has them. A mounted path must not have a colon, and
# a registry with a port has one: so they are linked to where dockerd and the docker CLI look. Through the links a change is
# seen at once: dockerd reads an authority at each connection, the CLI its credentials at each call.
# Sourced by cgroups-mount and entrypoint after lib.sh; mirrors.sh, which has the mirrors, only by entrypoint.

registry_files=/run/dind-registry
registry_credentials=$registry_files/auth/config.json
registry_trust=$registry_files/trust/ca.crt

# Every file that was asked for is there: the kubelet mounts the volume without those that are not. KIND/NAME/KEY in a word.
registry_check() {
	doing Registry RegistryFilesMissing "Looking at the registries' files"
	for word in ${DIND_REGISTRY_CAS-}; do
		registry_certificates "$registry_files/certs.d/${word%%=*}/ca.crt" "${word#*=}" \
			"the certificates of the authority of the registry ${word%%=*}" spec.registry.caBundles
	done
	[ -z "${DIND_CA_BUNDLE-}" ] || registry_certificates "$registry_trust" "$DIND_CA_BUNDLE" \
		"the certificates that the environment trusts" spec.caBundle
	[ -n "${DIND_REGISTRY_CREDENTIALS-}" ] || return 0
	registry_named "$DIND_REGISTRY_CREDENTIALS"
	[ -s "$registry_credentials" ] || fail Registry RegistryFilesMissing "The key $registry_key of the $registry_object in the \
environment's namespace is not there, or empty. spec.registry.pullSecret needs a Secret of type \
kubernetes.io/dockerconfigjson: make it with kubectl create secret docker-registry; the pod then goes on within five minutes."
	registry_logins=$(tr -d '[:space:]' <"$registry_credentials")
	# The docker CLI would ask that program for every registry, which is not here, and fail; "auths" then has names alone.
	case $registry_logins in
	*'"credsStore"'*)
		case $registry_logins in
		*'"credsStore":""'*) ;;
		*) registry_elsewhere credsStore ;;
		esac
		;;
	esac
	case $registry_logins in
	*'"auths"'*)
		case $registry_logins in
		# Programs for some registries do no harm beside the credentials of others.
		*'"auth":"'[!\"]* | *'"username":"'[!\"]* | *'"identitytoken":"'[!\"]* | *'"registrytoken":"'[!\"]*) ;;
		*'"credHelpers"'*) registry_elsewhere credHelpers ;;
		esac
		;;
	*'"credHelpers"'*) registry_elsewhere credHelpers ;;
	*) fail Registry RegistryFilesMissing "The key $registry_key of the $registry_object names no registry: it has no \"auths\". \
Make it with kubectl create secret docker-registry; the pod then goes on within five minutes." ;;
	esac
}

# KEY
registry_elsewhere() {
	fail Registry RegistryFilesMissing "The key $registry_key of the $registry_object has \"$1\", which names a program on the \
machine of the login, such as Docker Desktop's, and the credentials are only there. Make the Secret with kubectl create secret \
docker-registry; the pod then goes on within five minutes."
}

# FILE KIND/NAME/KEY WHAT FIELD
registry_certificates() {
	registry_named "$2"
	[ -s "$1" ] || fail Registry RegistryFilesMissing "The key $registry_key of the $registry_object in the environment's \
namespace is not there, or empty. It is to hold $3: make it, or correct $4; the pod then goes on within five minutes."
	case $(cat "$1") in
	*'-----BEGIN CERTIFICATE-----'*'-----END CERTIFICATE-----'*) ;;
	*) fail Registry RegistryFilesMissing "The key $registry_key of the $registry_object has no certificate. It is to hold \
$3 as PEM: correct it; the pod then goes on within five minutes." ;;
	esac
}

# Sets registry_object and registry_key: KIND/NAME/KEY
registry_named() {
	registry_key=${1##*/} registry_object=${1%/*}
	registry_object="${registry_object%/*} ${registry_object#*/}"
}

registry_link() {
	doing Daemon RegistryFilesNotLinked "Linking the registries' files"
	for word in ${DIND_REGISTRY_CAS-}; do
		registry_authority "${word%%=*}" ca.crt "$registry_files/certs.d/${word%%=*}/ca.crt"
		[ -z "${DIND_CA_BUNDLE-}" ] || registry_authority "${word%%=*}" environment.crt "$registry_trust"
		# For Docker Hub dockerd looks into no directory of certificates, unless it has the containerd image store.
		[ "${word%%=*}" != docker.io ] || registry_system dind-docker.io.crt "$registry_files/certs.d/docker.io/ca.crt"
	done
	if [ -n "${DIND_CA_BUNDLE-}" ]; then
		# Of registries without a directory of their own, for Docker 28 and later: read at each connection, unlike the system's.
		registry_authority _default ca.crt "$registry_trust"
		registry_system dind-environment.crt "$registry_trust"
	fi
	[ -n "${DIND_REGISTRY_CREDENTIALS-}" ] || return 0
	mkdir -p "${HOME:-/root}/.docker"
	ln -sf "$registry_credentials" "${HOME:-/root}/.docker/config.json"
}

# REGISTRY NAME FILE
registry_authority() {
	mkdir -p "/etc/docker/certs.d/$1"
	ln -sf "$3" "/etc/docker/certs.d/$1/$2"
}

# NAME FILE: trusted like a public authority. Go reads every file of the directory; git and others one file with all of them, which
# is in another place in each distribution.
registry_system() {
	mkdir -p "${system_certs:=/etc/ssl/certs}"
	ln -sf "$2" "$system_certs/$1"
	for bundle in "$system_certs/ca-certificates.crt" /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
		[ -f "$bundle" ] || continue
		# What a start of the same container before this one has appended goes first.
		kept=$(sed "/^# $1\$/,/^# end of $1\$/d" "$bundle")
		printf '%s\n# %s\n%s\n# end of %s\n' "$kept" "$1" "$(cat "$2")" "$1" >"$bundle" ||
			say "$bundle cannot be written: git and other programs do not trust the authorities of $1"
	done
}
