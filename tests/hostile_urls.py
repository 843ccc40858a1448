"""Addresses that lead into one's own network, or are none: nothing may be sent to any of them."""

HOSTILE_HOSTS = [
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.5.5", "192.168.0.1", "169.254.169.254"),
    *("100.64.1.1", "198.18.0.1", "192.0.2.7", "224.0.0.1", "255.255.255.255", "240.1.1.1", "192.88.99.1"),
    *(
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:10.0.0.1]",
        "[fe80::1]",
        "[fc00::1]",
    ),
    *("[fd00:ec2::254]", "[ff02::1]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a00:1]"),
    *("[2002:7f00:1::]", "[2002:a00:1::1]", "[2002:c0a8:1::]", "[2001::1]", "[2001:db8::1]", "[fec0::1]"),
    *("[::127.0.0.1]", "[0:0:0:0:0:ffff:a9fe:a9fe]", "[fe80::1%25eth0]", "[2606:4700::5efe:7f00:1]"),
    # ways of writing an address that only some programs read
    *("127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.0.0.1.", "0"),
    *("0xa9fea9fe", "1.2.3", "１２７.0.0.1", "①②⑦.0.0.1", "127。0。0。1"),
    # names, all of which the stub resolves to what is not public
    *(
        "localhost",
        "LOCALHOST.",
        "intranet",
        "metadata.google.internal",
        "a.local",
        "router.lan",
        "mixed.test",
    ),
]
HOSTILE_URLS = [
    *(f"http://{host}/feed" for host in HOSTILE_HOSTS),
    *(
        "file:///etc/passwd",
        "ftp://example.org/x",
        "gopher://example.org/",
        "data:text/xml,x",
        "//example.org/x",
    ),
    *("http://example.org:22/", "https://example.org:6379/", "http://example.org:8080/", "http://[::1"),
    *(
        "http://user@example.org/",
        "http://127.0.0.1@example.org/",
        "http://example.org\\@127.0.0.1/",
        "http:///x",
    ),
    *(
        "http://example.org/\r\nHost: x",
        "http://exa mple.org/",
        "http://-a.org/",
        "http://a..org/",
        "",
        "http://",
    ),
    *("http://exa%6dple.org/", "http://" + "a" * 300 + ".org/", "http://example.org/" + "x" * 3000),
    *("jar:http://example.org/x", "http://[::ffff:127.0.0.1%2525]/", "http://127.0.0.1:80\\.example.org/"),
]
