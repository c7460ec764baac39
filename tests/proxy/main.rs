//! What clients and upstreams see of a node: routing, headers, failures, streams, protocols, its end.
