# shellcheck shell=sh
# The HTTP proxy of the environment. dockerd and all that it starts have it in their variables, which the pod sets. Nested containers and
# builds would have it only from clients that send it, so the wrapper of runc writes it into each of them. The ranges of nested networks,
# which only the pod knows, are accessed without it.
# Sourced by cgroups-mount and entrypoint after lib.sh.

# The kubelet leaves out a variable whose key is missing.
proxy_check() {
	[ -n "${DIND_PROXY_SECRET-}" ] || return 0
	doing Registry RegistryFilesMissing "Checking the proxy"
	[ -n "${HTTP_PROXY-}${HTTPS_PROXY-}" ] || fail Registry RegistryFilesMissing "The Secret $DIND_PROXY_SECRET in the environment's \
namespace is not there, or has neither of the keys httpProxy and httpsProxy. spec.network.proxy.secretRef needs one of them, with the \
URL of a proxy: make it; the pod then goes on within five minutes."
	for url in "${HTTP_PROXY:-http://}" "${HTTPS_PROXY:-http://}"; do
		case $url in
		*[[:space:]]* | *[[:cntrl:]]*) url=invalid ;;
		esac
		case $url in
		http://* | https://*) ;;
		*) fail Registry RegistryFilesMissing "A key of the Secret $DIND_PROXY_SECRET is no URL of a proxy. httpProxy and httpsProxy are \
to begin with http:// or https:// and to have no white space or line break: correct them; the pod then goes on within five minutes." ;;
		esac
	done
}

# Exports the variables with the ranges of nested networks. The wrapper of runc gives them to nested containers (mode_choose_runc).
proxy_nested() {
	[ -n "${DIND_PROXY-}" ] || return 0
	for range in $(proxy_ranges); do NO_PROXY="${NO_PROXY-},$range"; done
	export NO_PROXY no_proxy="$NO_PROXY"
}

# The bridge and the pools of the report.
proxy_ranges() {
	printf '%s' "${network_report-}" | sed 's/"/\n/g' | while read -r word; do
		case $word in
		*[0-9A-Fa-f:]/[0-9]*) printf '%s\n' "$word" ;;
		esac
	done
}
