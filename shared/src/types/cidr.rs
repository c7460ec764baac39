//! Address ranges.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Text, text_value};

/// An address, or a range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr(IpNet);

impl Cidr {
    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// The range; a single address is a range of one.
    pub fn net(&self) -> IpNet {
        self.0
    }
}

impl Text for Cidr {
    fn parse(text: &str) -> Result<Self, String> {
        let range = text
            .parse::<IpNet>()
            .ok()
            .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        range
            .map(Cidr)
            .ok_or_else(|| format!("invalid ip or cidr range: '{text}'"))
    }
}

text_value!(Cidr);
