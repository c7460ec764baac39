//! Tells the crate whether LuaJIT is being built such that compiled loops notice a hook (see `limits::interrupt`).

use std::env;

fn main() {
    println!("cargo:rustc-check-cfg=cfg(check_hook)");
    if flags().contains("LUAJIT_ENABLE_CHECKHOOK") {
        println!("cargo:rustc-cfg=check_hook");
    }
}

/// The flags that the C compiler gets, as the `cc` crate finds them: the first of these variables that is set.
fn flags() -> String {
    let target = env::var("TARGET").expect("cargo sets it");
    let kind = if env::var("HOST").is_ok_and(|host| host == target) {
        "HOST"
    } else {
        "TARGET"
    };
    let names = [
        format!("CFLAGS_{target}"),
        format!("CFLAGS_{}", target.replace(['-', '.'], "_")),
        format!("{kind}_CFLAGS"),
        "CFLAGS".to_owned(),
    ];
    for name in &names {
        println!("cargo:rerun-if-env-changed={name}");
    }
    names
        .iter()
        .find_map(|name| env::var(name).ok())
        .unwrap_or_default()
}
