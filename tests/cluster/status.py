"""What of the embedded cluster runs, in a few lines."""

from __future__ import annotations

from tests.cluster import lifecycle, node, readiness, teardown
from tests.cluster.instance import Instance
from tests.cluster.record import Record
from tests.cluster.vm import lifecycle as vm
from tests.cluster.vm.qemu import console_log


def describe(instance: Instance) -> tuple[bool, str]:
    """(whether everything runs, the text). Looks only, and needs no lock."""
    record = Record.load(instance.record_file)
    if record is None:
        left = teardown.leftovers(instance)
        return False, f"cluster {instance.name}: down" + "".join(f"\n  left over: {item}" for item in left)
    layout = lifecycle.layout_of(instance)
    servers = lifecycle.server_commands(instance, layout)
    fits = record.configuration == lifecycle.configuration_key(instance, servers)
    processes = {name: node.find(instance, command) for name, command in servers.items()}
    answers = readiness.api_answers(layout.url, layout.pki / "ca.crt")
    whole = answers and None not in processes.values() and node.find_init(instance) is not None
    if not fits:
        state = "of another configuration than this checkout's; `make cluster` replaces it"
    else:
        state = "up" if whole else "incomplete; `make cluster` starts what is missing"
    lines = [
        f"cluster {instance.name}: {state}",
        f"  started from {record.checkout}",
        f"  kubeconfig   {instance.kubeconfig}",
        f"  logs         {instance.logs}",
        *(f"  {name:<24} {f'process {p.pid}' if p else 'not running'}" for name, p in processes.items() if fits),
        f"  {'API server answers':<24} {'yes' if answers else 'no'}",
    ]
    if vm.present(instance):
        vm_whole, vm_lines = _describe_vm(instance)
        return fits and whole and vm_whole, "\n".join([*lines, *vm_lines])
    return fits and whole, "\n".join(lines)


def _describe_vm(instance: Instance) -> tuple[bool, list[str]]:
    process = vm.running(instance)
    if process is None:
        state = "not running; `make cluster` starts it"
    elif not vm.fits(instance):
        state = "of another configuration than this checkout's; `make cluster` replaces it"
    elif vm.ready(instance):
        state = "Ready"
    else:
        state = "not Ready; `python -m tests.cluster wait --on vm` waits for it"
    lines = [
        f"virtual node {instance.vm_node_name}: {state}",
        f"  {'qemu':<24} {f'process {process.pid}' if process else 'not running'}",
        f"  {'console':<24} {console_log(instance)}",
    ]
    return state == "Ready", lines
