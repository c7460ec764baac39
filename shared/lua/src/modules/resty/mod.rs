//! Modules whose names begin with `resty`.

#[cfg(test)]
mod tests;
