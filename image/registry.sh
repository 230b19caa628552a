# shellcheck shell=sh
# Authorities of registries and credentials for them, as the pod's volume has them. A mounted path must not have a colon, and
# a registry with a port has one: so they are linked to where dockerd and the docker CLI look. Through the links a change is
# seen at once: dockerd reads an authority at each connection, the CLI its credentials at each call.
# Sourced by cgroups-mount and entrypoint after lib.sh.

registry_files=/run/dind-registry
registry_credentials=$registry_files/auth/config.json

# Every file that was asked for is there: the kubelet mounts the volume without those that are not. KIND/NAME/KEY in a word.
registry_check() {
	doing Registry RegistryFilesMissing "Looking at the registries' files"
	for word in ${DIND_REGISTRY_CAS-}; do
		registry_certificates "$registry_files/certs.d/${word%%=*}/ca.crt" "${word#*=}" "${word%%=*}"
	done
	[ -n "${DIND_REGISTRY_CREDENTIALS-}" ] || return 0
	registry_named "$DIND_REGISTRY_CREDENTIALS"
	[ -s "$registry_credentials" ] || fail Registry RegistryFilesMissing "The key $registry_key of the $registry_object in the \
environment's namespace is not there, or empty. spec.registry.pullSecret needs a Secret of type \
kubernetes.io/dockerconfigjson: make it with kubectl create secret docker-registry; the pod then goes on within five minutes."
	case $(cat "$registry_credentials") in
	# The docker CLI would ask that program, which is not here, and fail; "auths" then has names alone.
	*'"credsStore"'* | *'"credHelpers"'*)
		fail Registry RegistryFilesMissing "The key $registry_key of the $registry_object has \"credsStore\" or \"credHelpers\", \
which name a program on the machine of the login, such as Docker Desktop's, and the credentials are only there. Make the Secret \
with kubectl create secret docker-registry; the pod then goes on within five minutes."
		;;
	*'"auths"'*) ;;
	*) fail Registry RegistryFilesMissing "The key $registry_key of the $registry_object names no registry: it has no \"auths\". \
Make it with kubectl create secret docker-registry; the pod then goes on within five minutes." ;;
	esac
}

# FILE KIND/NAME/KEY REGISTRY
registry_certificates() {
	registry_named "$2"
	[ -s "$1" ] || fail Registry RegistryFilesMissing "The key $registry_key of the $registry_object in the environment's \
namespace is not there, or empty. It is to hold the certificates of the authority of the registry $3: make it, or correct \
spec.registry.caBundles; the pod then goes on within five minutes."
	case $(cat "$1") in
	*'-----BEGIN CERTIFICATE-----'*) ;;
	*) fail Registry RegistryFilesMissing "The key $registry_key of the $registry_object has no certificate. It is to hold the \
authority of the registry $3 as PEM: correct it; the pod then goes on within five minutes." ;;
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
		mkdir -p "/etc/docker/certs.d/${word%%=*}"
		ln -sf "$registry_files/certs.d/${word%%=*}/ca.crt" "/etc/docker/certs.d/${word%%=*}/ca.crt"
	done
	[ -n "${DIND_REGISTRY_CREDENTIALS-}" ] || return 0
	mkdir -p "${HOME:-/root}/.docker"
	ln -sf "$registry_credentials" "${HOME:-/root}/.docker/config.json"
}
