//! The way to the controller over real sockets.

use super::props::World;
use crate::{
    agent::{Heard, Order, member::Uplink},
    members::tests::{ends::Controller, stated::at},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::timeout};

/// Far more than loopback takes, and less than a question may hang.
const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_question_that_hangs_holds_no_word_up() {
    let controller = Controller::start(4);
    controller.say_to(1, 1);
    let (_, identity) = controller.member().await;
    let (orders, obeyed) = mpsc::unbounded_channel();
    let (heard_sender, mut heard) = mpsc::channel(1);
    let clock = Arc::new(World::new(at("2026-06-01T00:00:00Z")));
    let uplink = tokio::spawn(Uplink::new(obeyed, heard_sender, clock, "test".to_owned()).run());
    let controllers = vec![controller.address.clone()];
    let ca = controller.authority.thumbprint().clone();
    assert!(orders.send(Order::Attach { controllers, ca, identity }).is_ok());
    let mut hears = async |generation: u64| {
        let wanted = format!("statement {generation}");
        loop {
            match heard.recv().await.unwrap() {
                Heard::Statement(text) if text == wanted => return,
                Heard::Lost(error) => panic!("{error}"),
                _ => {}
            }
        }
    };
    timeout(SOON, hears(1)).await.unwrap();
    // The controller never answers this one.
    assert!(orders.send(Order::Present { statement: String::new() }).is_ok());
    controller.presented().await;
    controller.say_to(2, 1);
    timeout(SOON, hears(2)).await.unwrap();
    uplink.abort();
}
