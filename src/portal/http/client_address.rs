//! Who asks, as limits and the log know them.
//!
//! Behind a proxy the connection is the proxy's, and the client's address is what the proxy says. What came to the proxy in the
//! same header stands left of that and is the client's to make up: so the list is read from its right end, as far as the
//! proxies are trusted.

use super::transport::{ForwardedBy, Transport};
use crate::api::{Network, Peer};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// Entries of a list that are looked at, from the right: more proxies than that stand behind each other nowhere.
const MOST_HOPS: usize = 16;

/// The address of who asks; an IPv4 address is never in its IPv6 form (RFC 4291 section 2.5.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// That of a request.
    pub(in crate::portal) fn of(parts: &Parts) -> Self {
        let peer = match parts.extensions.get::<Peer>() {
            Some(Peer::Address(address)) => address.ip().to_canonical(),
            // A process of this machine, or a test without a connection.
            Some(Peer::Process { .. }) | None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        Self(forwarded_for(peer, &parts.headers, &Transport::of(parts)))
    }

    /// The address that a request came from directly, where a proxy should be in front and that is none of those that are trusted.
    pub(super) fn past_proxies(parts: &Parts) -> Option<IpAddr> {
        let transport = Transport::of(parts);
        let Some(Peer::Address(peer)) = parts.extensions.get::<Peer>() else { return None };
        let peer = peer.ip().to_canonical();
        (transport.behind_proxy && !transport.trusts(peer)).then_some(peer)
    }

    /// What shares a limit.
    pub const fn network(self) -> Network {
        Network::of(self.0)
    }
}

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// The rightmost address that is not a trusted proxy's. Where the list names nobody, or what can't be read, it is the last one
/// that was read before: its proxy answers for what it passed on.
fn forwarded_for(peer: IpAddr, headers: &HeaderMap, transport: &Transport) -> IpAddr {
    let mut nearest = peer;
    if !transport.trusts(peer) {
        return nearest;
    }
    for entry in entries(headers, transport.forwarded_by).into_iter().take(MOST_HOPS) {
        let Some(address) = entry else { break };
        nearest = address;
        if !transport.trusts(address) {
            break;
        }
    }
    nearest
}

/// The entries of the header, from its right end; nothing for one that names no address.
fn entries(headers: &HeaderMap, forwarded_by: ForwardedBy) -> Vec<Option<IpAddr>> {
    let name = match forwarded_by {
        ForwardedBy::XForwardedFor => "x-forwarded-for",
        ForwardedBy::Forwarded => "forwarded",
    };
    let read = |entry: &str| match forwarded_by {
        ForwardedBy::XForwardedFor => address(entry),
        ForwardedBy::Forwarded => for_parameter(entry),
    };
    // Several lines are one list, RFC 9110 section 5.3.
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    let of_line = |line: &axum::http::HeaderValue| match line.to_str() {
        Ok(line) => line.rsplit(',').map(read).collect(),
        Err(_) => vec![None],
    };
    lines.into_iter().rev().flat_map(of_line).collect()
}

/// The `for` of one element of `Forwarded`. A quoted string with a comma in it is no address: its halves are none either.
fn for_parameter(element: &str) -> Option<IpAddr> {
    let pair = |parameter: &str| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().to_owned())
    };
    let value = element.split(';').find_map(pair)?;
    address(value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(&value))
}

/// An address as proxies write it: with a port or without, IPv6 in brackets or without.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    let parsed: Option<IpAddr> = bare.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    parsed.or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;
    use std::sync::Arc;

    const PROXY: &str = "10.0.0.1";

    fn seen(peer: &str, transport: Transport, lines: &[(&'static str, &str)]) -> String {
        let mut request = Request::new(());
        for (name, value) in lines {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 9);
        request.extensions_mut().insert(Peer::Address(peer));
        request.extensions_mut().insert(Arc::new(transport));
        ClientAddress::of(&request.into_parts().0).0.to_string()
    }

    fn behind(proxies: &[&str]) -> Transport {
        let proxies = proxies.iter().map(|range| range.parse().unwrap()).collect();
        Transport { behind_proxy: true, proxies, ..Transport::default() }
    }

    #[test]
    fn the_rightmost_address_that_is_no_trusted_proxy_asks() {
        let list = "x-forwarded-for";
        for (peer, lines, expected) in [
            (PROXY, vec![(list, "203.0.113.9")], "203.0.113.9"),
            (PROXY, vec![(list, "1.2.3.4, 203.0.113.9")], "203.0.113.9"),
            (PROXY, vec![(list, "1.2.3.4, 203.0.113.9, 10.0.0.7")], "203.0.113.9"),
            (PROXY, vec![(list, "1.2.3.4"), (list, "203.0.113.9")], "203.0.113.9"),
            (PROXY, vec![(list, "203.0.113.9:4711")], "203.0.113.9"),
            (PROXY, vec![(list, "2001:db8::9")], "2001:db8::9"),
            (PROXY, vec![(list, "[2001:db8::9]:4711")], "2001:db8::9"),
            (PROXY, vec![(list, "::ffff:203.0.113.9")], "203.0.113.9"),
            ("::ffff:10.0.0.1", vec![(list, "203.0.113.9")], "203.0.113.9"),
            // All are proxies: the outermost asks for itself.
            (PROXY, vec![(list, "10.0.0.9, 10.0.0.8")], "10.0.0.9"),
            // What can't be read hides nobody further left.
            (PROXY, vec![(list, "203.0.113.9, unknown")], PROXY),
            (PROXY, vec![(list, "203.0.113.9, , 10.0.0.7")], "10.0.0.7"),
            (PROXY, vec![(list, "")], PROXY),
            (PROXY, vec![], PROXY),
            // The header that the proxy does not write is the client's own.
            (PROXY, vec![("forwarded", "for=1.2.3.4")], PROXY),
            // Nobody else is believed.
            ("192.0.2.1", vec![(list, "203.0.113.9")], "192.0.2.1"),
        ] {
            assert_eq!(seen(peer, behind(&["10.0.0.0/8"]), &lines), expected, "{peer} {lines:?}");
        }
        assert_eq!(seen(PROXY, Transport::default(), &[(list, "203.0.113.9")]), PROXY);
    }

    #[test]
    fn who_comes_past_the_proxy_is_told_from_it() {
        let came = |peer: [u8; 4], transport: Transport| {
            let mut request = Request::new(());
            request.extensions_mut().insert(Peer::Address((peer, 9).into()));
            request.extensions_mut().insert(Arc::new(transport));
            ClientAddress::past_proxies(&request.into_parts().0).is_some()
        };
        assert!(!came([10, 0, 0, 1], behind(&["10.0.0.0/8"])));
        assert!(came([192, 0, 2, 1], behind(&["10.0.0.0/8"])));
        assert!(!came([192, 0, 2, 1], Transport::default()), "no proxy should be there");
    }

    #[test]
    fn forwarded_is_read_where_the_proxy_writes_it() {
        for (value, expected) in [
            ("for=203.0.113.9", "203.0.113.9"),
            ("for=1.2.3.4, For=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9"),
            ("proto=https; for=\"[2001:db8::9]:4711\"", "2001:db8::9"),
            ("for=203.0.113.9, for=\"_hidden\"", PROXY),
            ("for=\"203.0.113.9, for=1.2.3.4", "1.2.3.4"),
            ("proto=https", PROXY),
        ] {
            let transport =
                Transport { forwarded_by: ForwardedBy::Forwarded, ..behind(&["10.0.0.0/8"]) };
            assert_eq!(seen(PROXY, transport, &[("forwarded", value)]), expected, "{value}");
        }
    }

    #[test]
    fn a_list_without_end_is_read_to_its_sixteenth_entry() {
        let list = vec!["10.0.0.9"; 5_000].join(",");
        let lines = [("x-forwarded-for", list.as_str())];
        assert_eq!(seen(PROXY, behind(&["10.0.0.0/8"]), &lines), "10.0.0.9");
    }

    #[test]
    fn a_limit_is_shared_by_what_one_site_has() {
        let network = |text: &str| {
            let network = ClientAddress(text.parse().unwrap()).network();
            (network.link().to_string(), network.site().to_string())
        };
        let both = |link: &str, site: &str| (link.to_owned(), site.to_owned());
        assert_eq!(network("203.0.113.9"), both("203.0.113.9", "203.0.113.9"));
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), both("2001:db8:1:2::", "2001:db8:1::"));
    }
}
