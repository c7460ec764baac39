//! Modules of their own: `inspect`, `multipart`, `socket.url`.

#[cfg(test)]
mod tests;
