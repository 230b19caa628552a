"""The embedded cluster: a real Kubernetes on a bare Debian machine, for tests and for trying the operator out.

Everything a node needs runs inside its own mount, network and process namespaces, so that stopping it cannot
miss anything: what remains on the machine (one link, a few iptables rules, one tree of cgroups, one folder) is
named after the instance and removed by name. See README.md in this folder.
"""
