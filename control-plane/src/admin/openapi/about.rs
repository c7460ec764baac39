//! What is said of an operation that no entity declares.

use super::shape::component;
use serde_json::{Value, json};

/// What one method of one address takes and answers. Refusals that every operation of its method shares go without
/// saying.
#[derive(Debug, Default)]
pub struct About {
    pub summary: &'static str,
    /// Query parameters, as OpenAPI writes them.
    pub query: Vec<Value>,
    /// What the body holds, by content type.
    pub body: Vec<(&'static str, Value)>,
    /// What is answered, by status; nothing stands for an empty body.
    pub answers: Vec<(u16, Option<(&'static str, Value)>)>,
    /// Whether it writes documents, and can be told to wait for the nodes.
    pub writes: bool,
    /// Statuses of refusals beside the shared ones.
    pub refuses: Vec<u16>,
}

impl About {
    pub fn new(summary: &'static str) -> About {
        About {
            summary,
            ..About::default()
        }
    }

    /// A query parameter that may be left out.
    pub fn query(mut self, name: &str, shape: Value, description: &str) -> About {
        self.query.push(query(name, shape, description));
        self
    }

    /// The query parameters of a list.
    pub fn paged(self) -> About {
        let [size, offset] = paging();
        About {
            query: [self.query, vec![size, offset]].concat(),
            ..self
        }
    }

    /// What a JSON body, and the same in a form, may hold.
    pub fn takes(mut self, shape: Value) -> About {
        self.body = vec![
            ("application/json", shape),
            ("application/x-www-form-urlencoded", component("Form")),
            ("multipart/form-data", component("Form")),
        ];
        self
    }

    /// A body of another type.
    pub fn takes_as(mut self, content_type: &'static str, shape: Value) -> About {
        self.body.push((content_type, shape));
        self
    }

    /// It writes documents as one revision.
    pub fn writes(mut self) -> About {
        self.writes = true;
        self
    }

    /// A JSON answer.
    pub fn answers(mut self, status: u16, shape: Value) -> About {
        self.answers
            .push((status, Some(("application/json", shape))));
        self
    }

    /// An answer of another type.
    pub fn answers_as(mut self, status: u16, content_type: &'static str, shape: Value) -> About {
        self.answers.push((status, Some((content_type, shape))));
        self
    }

    /// An answer without a body.
    pub fn answers_nothing(mut self, status: u16) -> About {
        self.answers.push((status, None));
        self
    }

    /// A refusal that not every operation of its method has.
    pub fn refuses(mut self, status: u16) -> About {
        self.refuses.push(status);
        self
    }
}

/// A query parameter that may be left out.
pub fn query(name: &str, shape: Value, description: &str) -> Value {
    json!({ "name": name, "in": "query", "required": false, "description": description, "schema": shape })
}

/// What every list understands.
pub fn paging() -> [Value; 2] {
    let size = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 });
    [
        query("size", size, "How many documents a page has at most."),
        query(
            "offset",
            json!({ "type": "string" }),
            "The `offset` of the page before.",
        ),
    ]
}

/// A form: names in Kong's notation, and values that the schema gives their types.
pub fn form() -> Value {
    json!({
        "type": "object",
        "description": "Members of the JSON body, nested ones as `a.b`, `a[]` or `a[1]`.",
        "additionalProperties": { "type": "string" },
    })
}
