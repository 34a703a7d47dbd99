"""addresses.py COUNT SEED: addresses with the verdict of the standard library's `ipaddress`, one pair a line.

"1" means that the address is public and unicast. What the library calls global although it is not, or stands for another
address, is listed here by hand, independently of the product's list.
"""
import ipaddress
import random
import sys

NOT_PUBLIC = [ipaddress.ip_network(text) for text in (
    "168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")]
UNICAST_V6 = ipaddress.ip_network("2000::/3")
SPECIAL = [ipaddress.ip_network(text) for text in (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 "
    "192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 "
    "198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 255.255.255.255/32 ::/128 ::1/128 ::/96 ::ffff:0:0/96 "
    "::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/32 2001::/23 2001:1::1/128 2001:2::/48 "
    "2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:db8::/32 2002::/16 2000::/3 2620:4f:8000::/48 3fff::/20 "
    "5f00::/16 fc00::/7 fd00:ec2::/32 fe80::/10 fec0::/10 ff00::/8").split()]


def is_public(address):
    if address.is_multicast or not address.is_global or any(address in each for each in NOT_PUBLIC):
        return False
    return address.version == 4 or address in UNICAST_V6


def spellings(address, chance):
    yield str(address)
    if address.version == 6:
        yield address.exploded.upper()
        if chance.random() < 0.2:
            value = int(address)
            head = ":".join(f"{value >> shift & 0xFFFF:x}" for shift in range(112, 16, -16))
            yield f"{head}:{ipaddress.IPv4Address(value & 0xFFFFFFFF)}"


def addresses(count, chance):
    for network in SPECIAL:
        kind = type(network.network_address)
        for value in (int(network[0]) - 1, int(network[0]), int(network[0]) + 1, int(network[-1]), int(network[-1]) + 1):
            if 0 <= value < 1 << network.max_prefixlen:
                yield kind(value)
    while True:
        choice = chance.random()
        if choice < 0.3:
            yield ipaddress.IPv4Address(chance.getrandbits(32))
        elif choice < 0.5:
            yield ipaddress.IPv6Address(0x2 << 124 | chance.getrandbits(125))
        elif choice < 0.6:
            yield ipaddress.IPv6Address(chance.getrandbits(128))
        else:
            network = chance.choice(SPECIAL)
            yield network[chance.randrange(network.num_addresses)]


def main():
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(seed)
    lines = []
    for address in addresses(count, chance):
        for text in spellings(address, chance):
            lines.append(f"{text} {int(is_public(address))}")
        if len(lines) >= count:
            break
    print("\n".join(lines))


main()
