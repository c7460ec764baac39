//! Compiles the sync protocol with protox, so a build needs no `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let proto = "../proto/headgate/sync/v1/sync.proto";
    println!("cargo:rerun-if-changed={proto}");
    let descriptors = protox::compile([proto], ["../proto"])?;
    let mut prost = prost_build::Config::new();
    // Payloads and update parts are shared between sessions, never copied per session.
    prost.bytes([
        ".headgate.sync.v1.Update.data",
        ".headgate.sync.v1.Op.payload",
    ]);
    // Both planes bring their own connections (certificates change without a restart), and a
    // generated `connect` would clash with the call of that name.
    tonic_prost_build::configure()
        .build_transport(false)
        .compile_fds_with_config(descriptors, prost)?;
    Ok(())
}
