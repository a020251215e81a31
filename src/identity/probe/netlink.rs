//! Permanent MAC addresses as the kernel itself keeps them, by rtnetlink (`IFLA_PERM_ADDRESS`, Linux 5.6).
//!
//! They stay when software overrides the address or a bond takes it over, virtual interfaces have none, and no
//! privilege is needed.

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkMessage},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::{collections::HashMap, io};

/// The kernel sends at most this much at once; RFC 3549 section 2.3.2 has messages aligned to four bytes.
const LARGEST_DATAGRAM: usize = 64 * 1024;
const ALIGNMENT: usize = 4;
/// More datagrams than any machine's interfaces fill.
const MOST_DATAGRAMS: usize = 4096;

/// The permanent address of each interface that has one of six octets.
pub(super) fn permanent_addresses() -> io::Result<HashMap<String, [u8; 6]>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&dump_request(), 0)?;

    let mut addresses = HashMap::new();
    let mut datagram = Vec::with_capacity(LARGEST_DATAGRAM);
    for _ in 0..MOST_DATAGRAMS {
        datagram.clear();
        socket.recv(&mut datagram, 0)?;
        if read_datagram(&datagram, &mut addresses)? {
            return Ok(addresses);
        }
    }
    Err(io::Error::other("the kernel's list of interfaces does not end"))
}

fn dump_request() -> Vec<u8> {
    let payload = RouteNetlinkMessage::GetLink(LinkMessage::default());
    let mut request = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::from(payload));
    request.header.flags = NLM_F_DUMP | NLM_F_REQUEST;
    request.header.sequence_number = 1;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    bytes
}

/// Takes the addresses out of one datagram; true where the list ends in it.
fn read_datagram(mut rest: &[u8], addresses: &mut HashMap<String, [u8; 6]>) -> io::Result<bool> {
    while !rest.is_empty() {
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
            .map_err(|error| io::Error::other(error.to_string()))?;
        let length = usize::try_from(message.header.length).unwrap_or(usize::MAX);
        match message.payload {
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                addresses.extend(permanent_address(&link));
            }
            _ => {}
        }
        let next = length.max(ALIGNMENT).next_multiple_of(ALIGNMENT);
        rest = rest.get(next..).unwrap_or_default();
    }
    Ok(false)
}

fn permanent_address(link: &LinkMessage) -> Option<(String, [u8; 6])> {
    let name = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })?;
    let octets = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::PermAddress(octets) => octets.as_slice().try_into().ok(),
        _ => None,
    })?;
    Some((name, octets))
}
