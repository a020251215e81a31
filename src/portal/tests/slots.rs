//! Slots under activations that come all at once.

use super::stage::{Agent, Stage};
use crate::license::{Purpose, sign_request};
use std::collections::BTreeSet;

#[test]
fn the_last_slots_are_given_exactly_once() {
    let stage = Stage::new();
    let sold = stage.sell();
    stage
        .portal
        .update_subscription(sold.id, |t| {
            t.slots.insert(Purpose::Production, 5);
        })
        .unwrap();
    let requests: Vec<String> = (0..40)
        .map(|n| {
            let agent = Agent::new(&n.to_string(), Purpose::Production);
            sign_request(&agent.activation(&sold.activation_code), &agent.key).unwrap()
        })
        .collect();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let ask = |request: String| stage.portal.handle_request(request.as_bytes());
        let threads: Vec<_> = requests.into_iter().map(|r| scope.spawn(move || ask(r))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let refused: Vec<_> = answers.iter().filter_map(|a| a.as_ref().err()).collect();
    assert_eq!(answers.len() - refused.len(), 5);
    assert!(refused.iter().all(|problem| problem.code() == "no-free-slot"));
    assert!(refused.iter().all(|problem| problem.detail.contains("5 of 5")));
    let environments = stage.portal.environments(Some(sold.id)).unwrap();
    let serials: BTreeSet<_> = environments.iter().map(|e| e.serial_number).collect();
    assert_eq!((environments.len(), serials.len()), (5, 5));
}

#[test]
fn purposes_have_slots_of_their_own() {
    let stage = Stage::new();
    let sold = stage.sell();
    for purpose in Purpose::ALL {
        let first =
            Agent::new(&format!("{purpose} 1"), purpose).activate(&stage, &sold.activation_code);
        assert!(first.is_ok());
        let second =
            Agent::new(&format!("{purpose} 2"), purpose).activate(&stage, &sold.activation_code);
        let problem = second.unwrap_err();
        assert_eq!(problem.code(), "no-free-slot");
        assert!(problem.detail.contains(purpose.as_str()), "{}", problem.detail);
    }
}
