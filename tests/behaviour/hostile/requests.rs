//! Requests at the portal that are replayed, oversized or garbage, over HTTP and as files: it gives what it gave, or says why not.

use super::activated::Activated;
use serde_json::Value;

/// Everything that a request could change at the portal.
fn standing(agent: &Activated) -> (Value, Value) {
    (agent.vendor.json(&["environment", "list"]), agent.vendor.json(&["audit"]))
}

#[tokio::test]
async fn wrong_requests_change_nothing_at_the_portal() {
    let agent = tokio::task::spawn_blocking(Activated::new).await.unwrap();
    let before = standing(&agent);
    let large = "a".repeat(10 << 20);
    let noise: Vec<u8> =
        (0..50_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let bodies: [Vec<u8>; 6] = [
        large.into_bytes(),
        noise,
        Vec::new(),
        b"a.b.c".to_vec(),
        b"{\"request\":\"activate\"}".to_vec(),
        agent.impostor.answers()[0].clone().into_bytes(),
    ];
    for body in bodies {
        let file = agent.controller.path("wrong.jwt");
        std::fs::write(&file, &body).unwrap();
        let refused = agent.vendor.run(&["answer", file.to_str().unwrap()]);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(refused.stderr.len() < 2_000, "it repeats what came");
        let is_large = body.len() > 1 << 20;
        let (status, answer) = match agent.server.try_post(body).await {
            // Hung up on while it still sends.
            Err(_) if is_large => continue,
            posted => posted.unwrap(),
        };
        assert!((400..500).contains(&status), "{status}: {answer}");
        assert!(answer.len() < 2_000 && answer.contains("urn:entitled:problem:"), "{answer}");
    }
    assert_eq!(standing(&agent), before);
}

#[tokio::test]
async fn a_replayed_request_gets_the_same_answer_and_nothing_more() {
    let agent = tokio::task::spawn_blocking(Activated::new).await.unwrap();
    let request = agent.controller.ctl.out(&["request", "refresh"]);
    let (status, first) = agent.server.post(request.clone()).await;
    assert_eq!(status, 200, "{first}");
    let before = standing(&agent);
    let file = agent.controller.write("request.jwt", &request);
    for _ in 0..3 {
        assert_eq!(agent.server.post(request.clone()).await, (200, first.clone()));
        let carried = agent.vendor.run(&["answer", file.to_str().unwrap()]);
        assert_eq!(String::from_utf8(carried.stdout).unwrap().trim(), first.trim());
    }
    assert_eq!(standing(&agent), before);
    let answer = agent.controller.write("answer.jwt", &first);
    let install = ["license", "install", answer.to_str().unwrap()];
    agent.controller.ctl.out(&install);
    agent.controller.ctl.run(&install).failed(1, "installed already");
    tokio::task::spawn_blocking(move || agent.assert_well()).await.unwrap();
}
