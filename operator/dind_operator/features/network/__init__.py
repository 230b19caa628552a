"""`spec.network`: nested networks, MTU, DNS, iptables."""
