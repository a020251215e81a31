//! An environment of many members: a real controller over mutual TLS, watches from many loopback addresses, and changes that
//! come from a real portal.

pub(crate) mod fanout;
mod hostile;
mod people;
mod scene;
mod watchers;

use crate::{
    Failure, ROUNDS,
    controller::Agent,
    daemon::{median_and_worst, memory_mib},
    load::cpu_time,
};
use scene::{Scene, milliseconds, stop};
use std::{
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::task::{JoinSet, LocalSet};
use watchers::{Board, Crowd};

const CROWDS: [usize; 3] = [100, 1_000, 10_000];
/// Those that watch while others are hostile.
const BESIDE_FLOODS: usize = 1_000;
/// Members that a controller bids return in a second.
const RETURNING_A_SECOND: f64 = 400.0;
/// Until memory is what it stays.
const SETTLED: Duration = Duration::from_millis(500);

/// Figures of one number of members, each with its name.
type Column = Vec<(&'static str, String)>;

/// Prints the members' tables.
pub(crate) fn print(folder: &Path) -> Result<(), Failure> {
    raise_limit_of_files()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut scene = Scene::set(&folder.join("environment"))?;
        let joins = scene.joins().await?;
        let mut columns = Vec::new();
        for count in CROWDS {
            columns.push(column(&mut scene, count).await?);
        }
        println!("| members | {} |", CROWDS.map(|count| count.to_string()).join(" | "));
        println!("| --- | --- | --- | --- |");
        for (row, (name, _)) in columns[0].iter().enumerate() {
            let figures: Vec<&str> = columns.iter().map(|column| &column[row].1[..]).collect();
            println!("| {name} | {} |", figures.join(" | "));
        }
        println!("\nAn event has {} bytes; {joins:.0} servers join a second.\n", scene.event);
        hostile::print(&mut scene, BESIDE_FLOODS).await
    })
}

fn raise_limit_of_files() -> Result<(), Failure> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// A controller with so many members, from its start to its second restart.
async fn column(scene: &mut Scene, count: usize) -> Result<Column, Failure> {
    scene.enrol(count)?;
    let (agent, ready) = scene.site.start()?;
    let crowd = Crowd { address: scene.address, board: Rc::new(Board::default()) };
    let mut column = vec![("from its start to READY", format!("{ready:.0} ms"))];
    tokio::time::sleep(SETTLED).await;
    let memory = memory_mib(agent.0.id(), "VmRSS")?;
    let (watches, time, cpu) = come(scene, &crowd, &agent, count, Duration::ZERO).await?;
    column.push(("all connected and told", format!("{time:.0} ms")));
    column.push(("the controller's CPU for it", format!("{cpu:.0} ms")));
    tokio::time::sleep(SETTLED).await;
    let grown = memory_mib(agent.0.id(), "VmRSS")? - memory;
    column.push(("its memory a member", format!("{:.1} KiB", 1_024.0 * grown / float(count)?)));
    changes(scene, &crowd, &agent, count, &mut column).await?;
    column.push(("the controller stops", format!("{:.0} ms", stop(agent)?)));
    crowd.board.all_lost(count).await?;
    drop(watches);
    let (agent, _) = scene.site.start()?;
    let (watches, time, cpu) = come(scene, &crowd, &agent, count, Duration::ZERO).await?;
    column.push(("back at once after a restart", format!("{time:.0} ms, its CPU {cpu:.0} ms")));
    stop(agent)?;
    crowd.board.all_lost(count).await?;
    drop(watches);
    let (agent, _) = scene.site.start()?;
    let spread = Duration::from_secs_f64((float(count)? / RETURNING_A_SECOND).max(1.0));
    let (watches, time, cpu) = come(scene, &crowd, &agent, count, spread).await?;
    column.push(("back over the spread", format!("{time:.0} ms, its CPU {cpu:.0} ms")));
    stop(agent)?;
    crowd.board.all_lost(count).await?;
    drop(watches);
    let floor = fanout::measure(&scene.people[..count], scene.event, ROUNDS).await?;
    let (median, worst) =
        median_and_worst(floor.iter().filter_map(|r| r.last().copied()).collect());
    column.push(("plain TCP, as many bytes: last", format!("{median:.0} ms (worst {worst:.0})")));
    Ok(column)
}

/// Opens the watches. They, how long it took until all were told, and the controller's CPU for it, milliseconds.
async fn come(
    scene: &Scene,
    crowd: &Crowd,
    agent: &Agent,
    count: usize,
    spread: Duration,
) -> Result<(JoinSet<()>, f64, f64), Failure> {
    crowd.board.expect(0);
    let people = scene.people.get(..count).ok_or("too few members")?;
    let cpu = milliseconds_of(agent.0.id())?;
    let start = Instant::now();
    let watches = crowd.come(people, spread)?;
    crowd.board.all_heard(count).await?;
    let time = milliseconds(start.elapsed());
    Ok((watches, time, milliseconds_of(agent.0.id())? - cpu))
}

/// The rows of a change.
async fn changes(
    scene: &mut Scene,
    crowd: &Crowd,
    agent: &Agent,
    count: usize,
    column: &mut Column,
) -> Result<(), Failure> {
    let (mut first, mut middle, mut last, mut spent) = (vec![], vec![], vec![], vec![]);
    for _ in 0..2 * ROUNDS {
        let cpu = milliseconds_of(agent.0.id())?;
        let heard = scene.change(&crowd.board, count).await?;
        tokio::time::sleep(SETTLED).await;
        spent.push(milliseconds_of(agent.0.id())? - cpu);
        first.extend(heard.first());
        middle.push(heard[heard.len() / 2]);
        last.extend(heard.last());
    }
    for (name, times) in [
        ("a change: first member", first),
        ("... median member", middle),
        ("... last member", last),
        ("... the controller's CPU, the refresh with it", spent),
    ] {
        let (median, worst) = median_and_worst(times);
        column.push((name, format!("{median:.0} ms (worst {worst:.0})")));
    }
    Ok(())
}

/// User and system time of a process, that of threads which have ended too.
fn milliseconds_of(process: u32) -> Result<f64, Failure> {
    Ok(milliseconds(cpu_time(process)?))
}

fn float(count: usize) -> Result<f64, Failure> {
    Ok(f64::from(u32::try_from(count)?))
}
