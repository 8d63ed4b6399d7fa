"""URLs that lead, or try to lead, to where no client may send the server; and the code of each.

`answers` is what the (fake) resolver says of the name: a public address where the form of the URL
is what must be refused, so that a form that slips through is seen at once. The forms are those of
the public collections of SSRF bypasses (octal, hexadecimal, short and decimal IPv4, mapped and
translated IPv6, userinfo, fullwidth letters, control characters, parser differences).
"""

from __future__ import annotations

from dataclasses import dataclass

PUBLIC = "93.184.216.34"


@dataclass(frozen=True)
class HostileUrl:
    """A URL, the refusal's code, and what its name resolves to."""

    url: str
    code: str
    answers: tuple[str, ...] = (PUBLIC,)


def _forms(code: str, *urls: str) -> list[HostileUrl]:
    return [HostileUrl(url, code) for url in urls]


def _named(host: str, *answers: str) -> HostileUrl:
    return HostileUrl(f"https://{host}/clip.mp4", "address_not_public", answers)


HOSTILE_URLS: list[HostileUrl] = [
    # Other schemes, no scheme.
    *_forms(
        "url_scheme",
        "http://cdn.example.com/clip.mp4",
        "http://127.0.0.1/clip.mp4",
        "ftp://cdn.example.com/clip.mp4",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_INFO",
        "dict://127.0.0.1:11211/stat",
        "ws://cdn.example.com/",
        "HTTPs+unix://cdn.example.com/",
    ),
    *_forms(
        "url_malformed",
        "",
        "clip.mp4",
        "//cdn.example.com/clip.mp4",
        "https:/cdn.example.com/clip.mp4",
        "https:cdn.example.com",
        "data:video/mp4;base64,AAAA",
        "javascript:alert(1)",
        # Blanks, control characters, what some parsers repair.
        " https://cdn.example.com/clip.mp4",
        "https://cdn.example.com/clip.mp4\n",
        "https://cdn.example.com/\r\nHost: 127.0.0.1\r\n\r\n",
        "https://cdn.example.com/a b",
        "https://cdn.example.com/\x00",
        "https://cdn.example.com\t.evil.example.com/",
        "https:\\\\cdn.example.com\\clip.mp4",
        "https://cdn.example.com\\@127.0.0.1/",
        "https://<cdn.example.com>/",
        "https://cdn.example.com/{x}",
        # Letters that look or fold like ASCII.
        "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
        "https://１２７.０.０.１/",
        "https://127。0。0。1/",
        "https://example。com/",
        "https://еxample.com/",  # a Cyrillic e
        "https://exa\u200bmple.com/",
        "https://faß.example.com/",
        "https://cdn.example.com/" + "a" * 2_048,
    ),
    # User and password, and what hides behind them.
    *_forms(
        "url_userinfo",
        "https://user:pass@cdn.example.com/clip.mp4",
        "https://cdn.example.com@127.0.0.1/",
        "https://127.0.0.1@cdn.example.com/",
        "https://@cdn.example.com/",
        "https://cdn.example.com%2f@127.0.0.1/",
        "https://cdn.example.com:443@169.254.169.254/latest/meta-data/",
    ),
    # Ports.
    *_forms(
        "url_port",
        "https://cdn.example.com:22/",
        "https://cdn.example.com:80/",
        "https://cdn.example.com:8443/",
        "https://cdn.example.com:6379/",
        "https://cdn.example.com:0/",
        "https://cdn.example.com:/",
        "https://cdn.example.com:0443/",
        "https://cdn.example.com:+443/",
        "https://cdn.example.com:65536/",
        "https://cdn.example.com:443443443443/",
        "https://cdn.example.com:443:80/",
        "https://[2606:2800:220:1::1]:8080/",
    ),
    # IPv4 in other spellings, and hosts that are no names.
    *_forms(
        "url_host",
        "https://2130706433/",
        "https://3232235521/",
        "https://0x7f000001/",
        "https://0x7f.0x0.0x0.0x1/",
        "https://0177.0.0.1/",
        "https://0177.0000.0000.0001/",
        "https://127.1/",
        "https://127.0.1/",
        "https://10.1/",
        "https://0/",
        "https://0x/",
        "https://127.0.0.01/",
        "https://127.0.0.1./",
        "https://127.0.0.0x1/",
        "https://999.1.1.1/",
        "https://1.2.3.4.5/",
        "https://4294967296/",
        "https://017700000001/",
        "https://localhost/",
        "https://LOCALHOST/",
        "https://localhost.localdomain/",
        "https://api.localhost/",
        "https://printer.local/",
        "https://metadata.google.internal/computeMetadata/v1/",
        "https://router.lan/",
        "https://service.onion/",
        "https://1.0.0.127.in-addr.arpa/",
        "https://intranet/",
        "https:///clip.mp4",
        "https://./",
        "https://cdn..example.com/",
        "https://.example.com/",
        "https://cdn.example.com./",
        "https://cdn.example.com%00.evil.example.com/",
        "https://%6c%6f%63%61%6c%68%6f%73%74/",
        "https://cdn_example.com/",
        "https://-cdn.example.com/",
        "https://" + "a" * 64 + ".example.com/",
        "https://[::1/",
        "https://::1/",
        "https://[cdn.example.com]/",
        "https://[127.0.0.1]/",
        "https://[::1]evil.example.com/",
        "https://[::1%25lo]/",
        "https://[fe80::1%25eth0]/",
        "https://[2606:2800:220:1::1%251]/",
        "https://[:::]/",
        "https://[::ffff:127.1]/",
        "https://[v1.x]/",
    ),
    # Addresses that are not the public internet.
    *_forms(
        "address_not_public",
        "https://127.0.0.1/",
        "https://127.255.255.254/",
        "https://0.0.0.0/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://172.31.255.255/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://169.254.170.2/v2/credentials",
        "https://100.64.0.1/",
        "https://100.100.100.200/latest/meta-data/",
        "https://192.0.0.8/",
        "https://192.0.0.9/",
        "https://192.0.2.1/",
        "https://192.88.99.1/",
        "https://198.18.0.1/",
        "https://198.51.100.1/",
        "https://203.0.113.1/",
        "https://224.0.0.1/",
        "https://239.255.255.250/",
        "https://240.0.0.1/",
        "https://255.255.255.255/",
        "https://[::]/",
        "https://[::1]/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::ffff:8.8.8.8]/",
        "https://[::ffff:0:127.0.0.1]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::127.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[64:ff9b:1::a00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[2002:a9fe:a9fe::1]/",
        "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
        "https://[2001:db8::1]/",
        "https://[2001:2::1]/",
        "https://[2001:20::1]/",
        "https://[3fff::1]/",
        "https://[fe80::1]/",
        "https://[fec0::1]/",
        "https://[fc00::1]/",
        "https://[fd00:ec2::254]/latest/meta-data/",
        "https://[ff02::1]/",
        "https://[ff0e::1]/",
        "https://[100::1]/",
        "https://[5f00::1]/",
    ),
    # Public names that lead inside.
    _named("localtest.example.com", "127.0.0.1"),
    _named("127.0.0.1.nip.example.com", "127.0.0.1"),
    _named("metadata.example.com", "169.254.169.254"),
    _named("metadata6.example.com", "fd00:ec2::254"),
    _named("mapped.example.com", "::ffff:10.0.0.1"),
    _named("link-local.example.com", "fe80::1%eth0"),
    _named("first-public.example.com", PUBLIC, "10.0.0.7"),
    _named("last-public.example.com", "192.168.0.1", PUBLIC),
    _named("six-inside.example.com", PUBLIC, "::1"),
    _named("nat64.example.com", "64:ff9b::7f00:1"),
    _named("six-to-four.example.com", "2002:c0a8:1::1"),
    _named("strange.example.com", "not an address"),
    _named("xn--80ak6aa92e.com", "10.0.0.1"),
]
