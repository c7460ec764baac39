//! User names and passwords that identify consumers.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use derive::Entity;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Consumer, Entity, Transformation};
use crate::schema::{Document, at};
use crate::types::{Foreign, Id, Secret, Tag, Timestamp};

/// A user name and a password that identify a consumer.
#[derive(Clone, Debug, Deserialize, Entity)]
#[entity(
    kind = "basicauth_credentials",
    path = "basic-auths",
    nested_path = "basic-auth",
    lookup = "username",
    identity("username"),
    with = hashed
)]
pub struct BasicAuth {
    /// What identifies it for good.
    #[schema(auto)]
    pub id: Id<BasicAuth>,
    /// When it was created, in seconds since the epoch.
    pub created_at: Option<Timestamp>,
    /// Whose it is.
    #[schema(cascade)]
    pub consumer: Foreign<Consumer>,
    /// The user name.
    #[schema(unique)]
    pub username: String,
    /// The password; answers show its hash, salted with the consumer's id.
    pub password: Secret,
    /// Labels to filter lists by.
    #[schema(set)]
    pub tags: Option<Vec<Tag>>,
}

impl BasicAuth {
    /// Whether this is the password; how long that takes does not tell how much of it is right.
    pub fn accepts(&self, password: &[u8]) -> bool {
        let mut buffer = Uuid::encode_buffer();
        let consumer = self.consumer.uuid();
        let hash = hash(password, consumer.hyphenated().encode_lower(&mut buffer));
        verify_slices_are_equal(&hash, self.password.expose().as_bytes()).is_ok()
    }
}

/// What is stored of a password: the SHA-1 of it and the consumer's id, in hexadecimal digits (admin-api.md 8.5). Weak
/// by today's measure, and what files written for Kong hold.
fn hash(password: &[u8], consumer: &str) -> [u8; 40] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(password);
    context.update(consumer.as_bytes());
    let digest = context.finish();
    let mut text = [0; 40];
    for (byte, digits) in digest.as_ref().iter().zip(text.chunks_exact_mut(2)) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

fn hashed(mut entity: Entity) -> Entity {
    entity.transformations.push(Transformation {
        input: &["password"],
        needs: &["consumer.id"],
        apply: hash_password,
    });
    entity
}

fn hash_password(document: &mut Document) {
    let consumer = at(document, "consumer.id").as_str();
    let (Some(consumer), Some(password)) = (consumer, at(document, "password").as_str()) else {
        return;
    };
    let hash = hash(password.as_bytes(), consumer);
    let text = hash.map(char::from).iter().collect();
    document.insert("password".to_owned(), Value::String(text));
}
