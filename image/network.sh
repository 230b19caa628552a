# shellcheck shell=sh
# The daemon's networks: which packet filter it speaks to, and what dind-node chooses from what is around the pod.
# DIND_NETWORK has what was chosen in the spec, as words of `dind-node network`; without an operator it is read off dockerd's
# arguments and configuration which settings are the user's own. Sourced after lib.sh by the init container, to check and to
# report before any daemon starts, and by the daemon's wrapper, to do it.

network_words=${DIND_NETWORK-}
firewall_backend=${DIND_FIREWALL_BACKEND:-Auto}
network_report='' network_config='' network_forward='' ip6tables_works=''

# --- without an operator: what the user set, in terms of the helper ---

network_own() {
	network_words="$network_words own=$1"
}

# ARGUMENT of dockerd.
network_note_flag() {
	[ -z "${DIND_NETWORK+given}" ] || return 0
	case $1 in
	--mtu | --mtu=*) network_own mtu ;;
	--bip | --bip=* | --bridge | --bridge=* | -b* | --fixed-cidr | --fixed-cidr=* | --default-gateway | --default-gateway=*) network_own bip ;;
	--default-address-pool | --default-address-pool=*) network_own pools ;;
	--default-network-opt | --default-network-opt=*) network_own opts ;;
	--dns | --dns=*) network_own dns ;;
	--ipv6* | --ip6tables* | --iptables* | --fixed-cidr-v6*) network_own ipv6 ;;
	esac
}

# CONFIGURATION, as JSON.
network_note_config() {
	[ -z "${DIND_NETWORK+given}" ] || return 0
	for word in mtu bip bridge fixed-cidr default-gateway default-address-pools default-network-opts dns ipv6 ip6tables iptables fixed-cidr-v6; do
		case $1 in
		*"\"$word\""*) network_note_flag "--$(network_flag "$word")" ;;
		esac
	done
}

# The flag of a key that is spelled otherwise.
network_flag() {
	case $1 in
	default-address-pools | default-network-opts) printf '%s' "${1%s}" ;;
	*) printf '%s' "$1" ;;
	esac
}

# --- what is chosen here ---

# What follows a word at the beginning of a line of the helper's: WORD
network_line() {
	printf '%s\n' "$out" | while read -r word rest; do
		[ "$word" != "$1" ] || printf '%s' "$rest"
	done
}

# Sets network_report (JSON), network_config (members of daemon.json) and network_forward (an address). In the init
# container there is no dockerd to ask for its version: what depends on it is not chosen, and only the report is used.
network_choose() {
	doing Network NetworkUnreadable "Reading the pod's addresses and routes"
	major=${docker_version-}
	major=${major%%.*}
	case $major in
	*[!0-9]*) major='' ;;
	esac
	# Only a hint: some platforms put the API server's name there, and leave the other variable as it was.
	service=${KUBERNETES_SERVICE_HOST-}
	case $service in
	*[!0-9A-Fa-f.:]*) service=${KUBERNETES_PORT_443_TCP_ADDR-} ;;
	esac
	# shellcheck disable=SC2086  # one argument for each word
	set -- $network_words ${major:+docker=$major} ${ip6tables_works:+ip6tables=1} \
		${service:+service=$service} ${DIND_NODE_ADDRESS:+node=$DIND_NODE_ADDRESS}
	network_status=0
	out=$("$lib/dind-node" network "$@") || network_status=$?
	case $network_status in
	0) ;;
	3) fail Network NetworkCollision "$out" ;;
	*) exit "$network_status" ;;
	esac
	# shellcheck disable=SC2034  # read by preflight.sh and entrypoint
	network_report=$(network_line report) network_config=$(network_line config) network_forward=$(network_line forward)
	[ -z "$network_forward" ] || say "the pod's nameservers are on its loopback or link: nested containers are given \
$network_forward, where their questions are handed on"
}

# --- the packet filter ---

# ARGUMENTS: dockerd's. Sets PATH so that iptables is the one of its kinds that works here, and ip6tables_works.
firewall_choose() {
	doing Network FirewallUnavailable "Choosing the packet filter's interface"
	kubelet='' six=''
	[ ! -e "$termination_log" ] || kubelet=kubelet=1
	case " $network_words " in
	*" ipv6=on "*) six=ipv6=on ;;
	esac
	firewall_status=0
	out=$("$lib/dind-node" firewall "backend=$firewall_backend" "folder=${private:?}" "docker=${docker_major:-}" $six $kubelet -- "$@") ||
		firewall_status=$?
	case $firewall_status in
	0) ;;
	3) fail Network FirewallUnavailable "$out" ;;
	*) exit "$firewall_status" ;;
	esac
	firewall_path=$(network_line path)
	PATH=${firewall_path:+$firewall_path:}$PATH
	case "
$out
" in
	*"
ip6tables
"*) ip6tables_works=1 ;;
	esac
}
