//! Which addresses are public, by IANA's special-purpose registries.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address a destination has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Range {
    /// Reachable from the whole internet.
    Public,
    /// This machine.
    Loopback,
    /// A network of one site: RFC 1918, shared address space (RFC 6598), unique local (RFC 4193).
    Private,
    /// One link only, where cloud machines find their credentials (169.254.169.254).
    LinkLocal,
    /// A range with another purpose: documentation, benchmarks, tunnels, multicast, reserved, unspecified.
    Special,
}

impl Range {
    /// Where an address lies. A mapped or translated IPv4 address is judged as that IPv4 address.
    pub fn of(address: IpAddr) -> Self {
        match canonical(address) {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Special => "special-purpose",
        })
    }
}

/// The IPv4 address inside an IPv4-mapped (RFC 4291 §2.5.5.2) or NAT64 (RFC 6052 §2.1) address, else the address.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        _ => address,
    }
}

fn of_v4(address: Ipv4Addr) -> Range {
    match address.octets() {
        [127, ..] => Range::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Range::Private,
        [169, 254, ..] => Range::LinkLocal,
        // "This network", protocol assignments, three times documentation, AS112 twice, AMT, 6to4 relays,
        // benchmarks, multicast, reserved and broadcast.
        [0 | 224..=255, ..]
        | [192, 0, 0 | 2, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [192, 31, 196, _]
        | [192, 175, 48, _]
        | [192, 52, 193, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..] => Range::Special,
        _ => Range::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Range {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Range::Loopback,
        [0xfc00..=0xfdff, ..] => Range::Private,
        [0xfe80..=0xfebf, ..] => Range::LinkLocal,
        // Protocol assignments with Teredo and ORCHID (2001::/23), documentation twice, 6to4, AS112.
        [0x2001, 0..=0x01ff | 0x0db8, ..]
        | [0x3fff, 0..=0x0fff, ..]
        | [0x2002, ..]
        | [0x2620, 0x4f, 0x8000, ..] => Range::Special,
        // Only 2000::/3 is given out for public use; the rest has another purpose or none yet.
        [0x2000..=0x3fff, ..] => Range::Public,
        _ => Range::Special,
    }
}

#[cfg(test)]
mod tests {
    use super::Range;

    #[test]
    fn every_special_purpose_range_is_known() {
        let table = [
            ("8.8.8.8", Range::Public),
            ("1.1.1.1", Range::Public),
            ("172.15.255.255", Range::Public),
            ("172.32.0.0", Range::Public),
            ("100.63.255.255", Range::Public),
            ("100.128.0.0", Range::Public),
            ("192.0.1.1", Range::Public),
            ("198.17.255.255", Range::Public),
            ("198.20.0.0", Range::Public),
            ("223.255.255.255", Range::Public),
            ("127.0.0.1", Range::Loopback),
            ("127.255.255.254", Range::Loopback),
            ("10.0.0.1", Range::Private),
            ("172.16.0.1", Range::Private),
            ("172.31.255.255", Range::Private),
            ("192.168.1.1", Range::Private),
            ("100.64.0.1", Range::Private),
            ("100.127.255.255", Range::Private),
            ("169.254.169.254", Range::LinkLocal),
            ("0.0.0.0", Range::Special),
            ("0.1.2.3", Range::Special),
            ("192.0.0.8", Range::Special),
            ("192.0.0.170", Range::Special),
            ("192.0.2.1", Range::Special),
            ("192.31.196.1", Range::Special),
            ("192.52.193.1", Range::Special),
            ("192.88.99.1", Range::Special),
            ("192.175.48.1", Range::Special),
            ("198.18.0.1", Range::Special),
            ("198.19.255.255", Range::Special),
            ("198.51.100.1", Range::Special),
            ("203.0.113.1", Range::Special),
            ("224.0.0.1", Range::Special),
            ("240.0.0.1", Range::Special),
            ("255.255.255.255", Range::Special),
            ("2606:4700:4700::1111", Range::Public),
            ("2001:200::1", Range::Public),
            ("2a00::1", Range::Public),
            ("::1", Range::Loopback),
            ("fc00::1", Range::Private),
            ("fdff::1", Range::Private),
            ("fe80::1", Range::LinkLocal),
            ("febf::1", Range::LinkLocal),
            ("::", Range::Special),
            ("::7f00:1", Range::Special),
            ("100::1", Range::Special),
            ("100:0:0:1::1", Range::Special),
            ("64:ff9b:1::1", Range::Special),
            ("2001::1", Range::Special),
            ("2001:2::1", Range::Special),
            ("2001:10::1", Range::Special),
            ("2001:20::1", Range::Special),
            ("2001:db8::1", Range::Special),
            ("2002:7f00:1::1", Range::Special),
            ("2002:808:808::1", Range::Special),
            ("2620:4f:8000::1", Range::Special),
            ("3fff::1", Range::Special),
            ("4000::1", Range::Special),
            ("5f00::1", Range::Special),
            ("fec0::1", Range::Special),
            ("ff02::1", Range::Special),
            // Inside a mapped or translated address counts the IPv4 one.
            ("::ffff:8.8.8.8", Range::Public),
            ("::ffff:127.0.0.1", Range::Loopback),
            ("::ffff:10.0.0.1", Range::Private),
            ("::ffff:169.254.169.254", Range::LinkLocal),
            ("64:ff9b::8.8.8.8", Range::Public),
            ("64:ff9b::10.0.0.1", Range::Private),
            ("64:ff9b::127.0.0.1", Range::Loopback),
        ];
        for (address, range) in table {
            let parsed = address.parse().expect("an address");
            assert_eq!(Range::of(parsed), range, "{address}");
        }
    }
}
