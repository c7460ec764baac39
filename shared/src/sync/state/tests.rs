use super::*;

fn many(count: u128) -> State {
    let mut state = State::new();
    let kind: Arc<str> = "routes".into();
    for n in 0..count {
        // Spread over the whole space, as UUIDv4 are.
        let id = Uuid::from_u128(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        state.insert(&kind, id, Bytes::from(format!("{{\"n\":{n}}}")));
    }
    state
}

#[test]
fn one_change_among_many_shares_everything_else() {
    let base = many(20_000);
    let (kind, id, _) = base.iter().nth(9_999).expect("it has that many");
    let change = Change {
        kind: kind.clone(),
        id: *id,
        payload: Some(Bytes::from_static(b"{}")),
    };
    let next = base.apply([&change]).unwrap();
    let shared = base
        .iter()
        .zip(next.iter())
        .filter(|((.., a), (.., b))| a.as_ptr() == b.as_ptr());
    assert_eq!(shared.count(), 19_999);
    assert_eq!(base.diff(&next), [change]);
}

#[test]
fn deleting_what_is_not_there_is_refused_and_leaves_the_base() {
    let base = many(3);
    let change = Change {
        kind: "services".into(),
        id: Uuid::nil(),
        payload: None,
    };
    let error = base.apply([&change]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot delete services '00000000-0000-0000-0000-000000000000': it is not in this state"
    );
    assert_eq!(base.len(), 3);
}

#[test]
fn a_state_emptied_again_is_a_new_one() {
    let mut state = many(1_000);
    let ids: Vec<Uuid> = state.of_kind("routes").map(|(id, _)| *id).collect();
    for id in ids.iter().rev() {
        assert!(state.remove("routes", id).is_some());
    }
    assert_eq!(state, State::new());
    assert!(state.is_empty() && state.bytes() == 0 && state.kinds().count() == 0);
}

#[test]
fn payloads_are_not_printed() {
    assert!(!format!("{:?}", many(1)).contains("{\"n\""));
}
