"""Which addresses count as public: against the registries, and against every disguise."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_server.platform.public_addresses import is_public

V4 = st.ip_addresses(v=4)
V6 = st.ip_addresses(v=6)
GIVEN_OUT = ipaddress.IPv6Network("2000::/3")


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255",
     "100.128.0.1", "198.17.255.255", "198.20.0.1", "223.255.255.255", "2606:2800:220:1::1",
     "2001:4860:4860::8888", "2a00:1450:4001::1", "2400:cb00::1"],
)  # fmt: skip
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@given(V4 | V6)
def test_what_the_registries_call_special_is_never_public(
    address: IPv4Address | IPv6Address,
) -> None:
    if is_public(str(address)):
        assert address.is_global and not address.is_private and not address.is_reserved
        assert not (address.is_multicast or address.is_link_local or address.is_loopback)
        assert not address.is_unspecified


@given(V6)
def test_only_unicast_of_the_internet_is_public_in_ipv6(address: IPv6Address) -> None:
    if is_public(str(address)):
        assert address in GIVEN_OUT
        assert address.ipv4_mapped is None
        assert address.sixtofour is None
        assert address.teredo is None


@given(V4, st.sampled_from(["::ffff:{}", "::{}", "64:ff9b::{}", "::ffff:0:{}", "64:ff9b:1::{}"]))
def test_an_ipv4_address_inside_an_ipv6_address_is_never_public(
    inside: IPv4Address, form: str
) -> None:
    assert not is_public(form.format(inside))


@given(V4)
def test_six_to_four_and_teredo_are_never_public(inside: IPv4Address) -> None:
    number = int(inside)
    assert not is_public(str(IPv6Address((0x2002 << 112) | (number << 80) | 1)))
    assert not is_public(str(IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF))))


@given(V4.filter(lambda address: is_public(str(address))))
def test_other_spellings_of_a_public_address_are_not_taken(address: IPv4Address) -> None:
    number = int(address)
    for text in (str(number), hex(number), oct(number), f"0{address}", f"{address} ",
                 f"{address}%eth0", f"{address}/32", f"[{address}]", f"{address}."):  # fmt: skip
        assert not is_public(text)


@given(st.text(max_size=40))
def test_any_text_gets_an_answer(text: str) -> None:
    assert is_public(text) in (True, False)
