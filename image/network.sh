# shellcheck shell=sh
# The daemon's networks: which packet filter it speaks to, and what dind-helper chooses from what is around the pod.
# DIND_NETWORK has what was chosen in the spec, as words of `dind-helper network`; without an operator it is read off dockerd's
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
	out=$("$lib/dind-helper" network "$@") || network_status=$?
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

# iptables speaks to one of two kernel interfaces, and modules cannot be loaded from here. When the image's own choice does
# not work and the older one does, links to that come first in PATH. The test is the nat table: dockerd's first.
firewall_choose() {
	doing Network FirewallUnavailable "Choosing the packet filter's interface"
	if command -v iptables >/dev/null; then
		case $firewall_backend in
		Nft) firewall_take nft nf_tables ;;
		Legacy) firewall_take legacy legacy ;;
		*) firewall_find ;;
		esac
	elif [ "$firewall_backend" != Auto ]; then
		fail Network FirewallUnavailable "network.firewallBackend is $firewall_backend, and the daemon's image has no iptables \
in PATH ($PATH). Use another daemon.image, or leave firewallBackend out."
	fi
	! ip6tables -w 5 -t nat -S >/dev/null 2>&1 || ip6tables_works=1
	case " $network_words " in
	*" ipv6=on "*) [ -n "$ip6tables_works" ] || fail Network FirewallUnavailable "network.ipv6 is Enabled, and ip6tables does not \
work here: $(ip6tables -w 5 -t nat -S 2>&1 || :). The node's kernel must have its nat table; or leave ipv6 out." ;;
	esac
}

# Puts the programs of one kind first in PATH: nft or legacy.
firewall_links() {
	# Where Alpine's docker images keep the older programs.
	folder=/usr/local/sbin/.iptables-legacy
	if [ "$1" != legacy ] || [ ! -x "$folder/iptables" ]; then
		folder=${private:?}/iptables-$1
		mkdir -p "$folder"
		for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
			family=${name%%-*}
			program=$(command -v "$family-$1${name#"$family"}") || continue
			ln -sf "$program" "$folder/$name"
		done
	fi
	PATH=$folder:$PATH
}

# What was asked for, and nothing else: KIND NAME, as iptables calls itself.
firewall_take() {
	case $(iptables -V 2>&1) in
	*"$2"*) ;;
	*) firewall_links "$1" ;;
	esac
	# One of before there were two names none of them: it is the older.
	case $1:$(iptables -V 2>&1) in
	nft:*nf_tables* | "legacy:"*"(legacy)"* | "legacy:iptables v"*[0-9]) ;;
	*) fail Network FirewallUnavailable "network.firewallBackend is $firewall_backend, and the daemon's image has no iptables-$1 \
in PATH ($PATH). Use another daemon.image, or leave firewallBackend out." ;;
	esac
	out=$(iptables -w 5 -t nat -S 2>&1) || fail Network FirewallUnavailable "network.firewallBackend is $firewall_backend, and \
iptables-$1 does not work here: $out. The node's kernel must have that interface; choose the other one, or leave firewallBackend out."
	say "using iptables-$1, as network.firewallBackend asks"
}

firewall_find() {
	! iptables -w 5 -t nat -S >/dev/null 2>&1 || return 0
	before=$PATH
	firewall_links legacy
	if iptables -w 5 -t nat -S >/dev/null 2>&1; then
		say "iptables of the image does not work with this kernel, iptables-legacy does: using that"
		return 0
	fi
	PATH=$before
	if capable 12; then
		say "neither iptables nor iptables-legacy of the image works here: dockerd will say why"
	else
		say "iptables does not work here, because this container lacks the capability NET_ADMIN, and dockerd will not start \
without. $(remedy "Check security.mode and the node's policy." "Start it with --privileged, or with --cap-add=NET_ADMIN.")"
	fi
}
