//! What is known when the agent is not heard.

use super::agents::{PATIENCE, Place, STREAM, asked, event, status};
use crate::client::{Feature, Freshness, Snapshot, reading, snapshot::Known, watching::Shared};
use futures_core::Stream;
use std::{
    io::{Read, Write},
    pin::pin,
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

#[test]
fn before_the_agent_comes_nothing_is_known_and_all_is_stale() {
    let place = Place::new();
    let client = place.builder().open().unwrap();
    let feature = client.feature("reports");
    assert_eq!((feature.granted(), feature.known(), feature.generation()), (false, false, None));
    assert_eq!(feature.freshness(), Freshness::Stale { age: None });
    assert!(!client.entitled() && client.status().is_none() && client.limit("users").is_none());
    let listener = place.listen();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(format!("{STREAM}{}", event(&status(1, true))).as_bytes()).unwrap();
            asked(&stream);
            // Held until the client goes.
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        });
        let told = client.wait(PATIENCE).unwrap();
        assert!(told.granted("reports") && !told.is_stale());
        assert!(client.feature("reports").granted() && !client.feature("reports").is_stale());
        drop((client.clone(), client));
    });
}

#[test]
fn a_lost_agent_leaves_its_last_answer_and_its_age_and_a_new_one_takes_its_place() {
    let place = Place::new();
    let listener = place.listen();
    let (end, ended) = channel::<()>();
    let agent = thread::spawn(move || {
        for generation in [5, 2] {
            let (mut stream, _) = listener.accept().unwrap();
            asked(&stream);
            let told = event(&status(generation, generation == 5));
            stream.write_all(format!("{STREAM}{told}").as_bytes()).unwrap();
            // Closed when the test says so.
            ended.recv().unwrap();
        }
    });
    let client = place.builder().connect().unwrap();
    let mut watch = client.watch_blocking();
    let granted = |told: &Snapshot| (told.granted("reports"), told.is_stale());
    assert_eq!(granted(&watch.next().unwrap()), (true, false));
    end.send(()).unwrap();
    let lost = watch.find(Snapshot::is_stale).unwrap();
    assert_eq!(granted(&lost), (true, true), "the last answer is kept");
    assert!(matches!(lost.freshness(), Freshness::Stale { age: Some(_) }));
    assert_eq!(lost.error().unwrap().code(), "agent-unreachable");
    // Its state was lost with it, and its generations begin again: what it says now is what holds.
    let back = watch.find(|told| !told.is_stale()).unwrap();
    assert_eq!((granted(&back), back.status().unwrap().generation), ((false, false), 2));
    assert!(back.error().is_none());
    end.send(()).unwrap();
    agent.join().unwrap();
}

/// Tells each time that it was woken.
struct Bell(Sender<()>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.send(()).unwrap();
    }
}

#[test]
fn a_stream_wakes_for_each_change_and_gives_the_last_one() {
    let place = Place::new();
    let listener = place.listen();
    let (say, said) = channel::<u64>();
    let agent = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        asked(&stream);
        stream.write_all(STREAM.as_bytes()).unwrap();
        for generation in said {
            stream.write_all(event(&status(generation, true)).as_bytes()).unwrap();
        }
    });
    say.send(1).unwrap();
    let client = place.builder().connect().unwrap();
    let (bell, woken) = channel();
    let waker = Waker::from(Arc::new(Bell(bell)));
    let mut context = Context::from_waker(&waker);
    let mut watch = pin!(client.watch());
    let generation = |poll: Poll<Option<Snapshot>>| match poll {
        Poll::Ready(told) => told.unwrap().status().map(|status| status.generation),
        Poll::Pending => None,
    };
    assert_eq!(generation(watch.as_mut().poll_next(&mut context)), Some(1));
    assert_eq!(generation(watch.as_mut().poll_next(&mut context)), None);
    let mut blocking = client.watch_blocking();
    for told in [2, 3, 4] {
        say.send(told).unwrap();
    }
    blocking.find(|told| told.status().unwrap().generation == 4);
    woken.recv_timeout(PATIENCE).unwrap();
    assert!(woken.try_recv().is_err(), "it was woken once, and did not look since");
    assert_eq!(generation(watch.as_mut().poll_next(&mut context)), Some(4));
    assert_eq!(generation(watch.as_mut().poll_next(&mut context)), None);
    drop(say);
    agent.join().unwrap();
    blocking.find(Snapshot::is_stale);
    woken.recv_timeout(PATIENCE).expect("that the agent is lost is a change");
}

#[test]
fn the_connection_ends_with_the_last_clone() {
    let place = Place::new();
    let listener = place.listen();
    let client = place.builder().open().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    asked(&stream);
    let (clone, watch) = (client.clone(), client.watch());
    drop((client, clone));
    stream.write_all(STREAM.as_bytes()).unwrap();
    stream.write_all(event(&status(1, true)).as_bytes()).unwrap();
    drop(watch);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "it hung up");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "and did not come again");
}

#[test]
fn an_agent_that_hangs_is_lost() {
    let place = Place::new();
    let listener = place.listen();
    let mut builder = place.builder();
    builder.silence = Duration::from_millis(200);
    let client = builder.open().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    asked(&stream);
    let told = event(&status(1, true));
    stream.write_all(format!("{STREAM}{told}").as_bytes()).unwrap();
    // The stream stays open, and nothing more is said.
    let mut watch = client.watch_blocking();
    let lost = watch.find(|told| told.error().is_some()).unwrap();
    assert_eq!(lost.error().unwrap().code(), "agent-silent");
    assert!(lost.granted("reports") && lost.is_stale());
}

#[test]
fn what_nobody_watches_any_more_turns_stale_by_the_clock() {
    let age = |silence| {
        let shared = Shared::new(silence);
        shared.hear();
        let told = reading::status(status(1, true).to_string().as_bytes()).unwrap();
        shared.tell(Known::of(told));
        Feature::find(&shared, "reports").freshness()
    };
    assert!(matches!(age(PATIENCE), Freshness::Live { .. }));
    assert!(matches!(age(Duration::ZERO), Freshness::Stale { age: Some(_) }));
}
