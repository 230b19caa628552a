"""Patterns of addresses and address ranges that accept what is one and nothing else, in RE2 and in Python alike.

The API server and the models use the same pattern, so neither accepts what the other rejects. IPv6 addresses that end in an IPv4
address, and addresses with a zone, are not accepted.
"""

from __future__ import annotations

from typing import Final

_OCTET: Final = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPV4: Final = rf"{_OCTET}(\.{_OCTET}){{3}}"


def ipv6(digits: str = "0-9A-Fa-f") -> str:
    """An IPv6 address with these hexadecimal digits."""
    group = f"[{digits}]{{1,4}}"
    forms = [f"({group}:){{7}}{group}", f"({group}:){{1,7}}:"]
    forms += [f"({group}:){{1,{7 - after}}}(:{group}){{1,{after}}}" for after in range(1, 7)]
    forms += [f":(:{group}){{1,7}}", "::"]
    return f"({'|'.join(forms)})"


IPV6: Final = ipv6()
IPV4_LENGTH: Final = "(3[0-2]|[12]?[0-9])"
IPV6_LENGTH: Final = "(12[0-8]|1[01][0-9]|[1-9]?[0-9])"
ADDRESS_PATTERN: Final = rf"^({IPV4}|{IPV6})$"
RANGE_PATTERN: Final = rf"^({IPV4}/{IPV4_LENGTH}|{IPV6}/{IPV6_LENGTH})$"
