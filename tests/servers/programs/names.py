"""names.py PORT COUNT RELAY: dnspython, over UDP and TCP; no first question is answered before all have been asked."""

import sys

import crowd
import dns.exception
import dns.resolver

port, count, relay = map(int, sys.argv[1:])


def resolver_at(port):
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime, resolver.timeout = ["127.0.0.1"], port, 60, 60
    return resolver


def job(n):
    met = [record.address for record in resolver_at(relay).resolve(f"host{n}.example.test", "A")]
    resolver = resolver_at(port)
    name = f"host{n}.example.test"
    addresses = [record.address for record in resolver.resolve(name, "A", tcp=n % 10 == 0)]
    pointers = [str(record.target) for record in resolver.resolve_address(addresses[0])]
    try:
        resolver.resolve(f"nobody{n}.example.test", "A")
    except dns.resolver.NXDOMAIN as error:
        missing = type(error).__name__
    return [met, addresses, pointers, missing]


crowd.together(count, job)
