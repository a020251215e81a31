//! A believable vendor: forty customers and a year of their history, made by the same calls and requests that make a real one.
//!
//! `cli` calls this, for who wants to see the portal with something in it. Who bought what, and what became of it, follows from a
//! seed; ids and Activation Codes are random, as ever.

mod customers;
mod machine;

use super::{
    Clock, Options, Portal, PortalError, Vendor,
    access::{Password, Role},
    domain::Subscription,
    store::WriterKind,
};
use crate::{
    codes::ActivationCode,
    license::{KeyPair, Purpose, RequestKind, Roots},
};
use customers::{Customer, Fate};
use jiff::{SignedDuration, Timestamp};
use machine::Machine;
use sha2::{Digest, Sha256};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

const PRODUCT: &str = "example-product";
/// The name of the operator who may do everything.
const OPERATOR: &str = "dev";
/// Turns of the history: one about every month.
const TURNS: u32 = 13;
const TURN: SignedDuration = SignedDuration::from_hours(24 * 28);

/// What was made, for who looks at it.
pub(super) struct Sample {
    /// The operator's name.
    pub(super) operator: &'static str,
    /// Its password.
    pub(super) password: String,
    /// Customers worth a look: why, and the Activation Code to sign in by.
    pub(super) codes: Vec<(String, ActivationCode)>,
}

/// Makes a portal in `directory`, with the year before `now` in it.
///
/// # Errors
/// As [`Portal::init`], and what the store says.
pub(super) fn make(directory: &Path, seed: u64, now: Timestamp) -> Result<Sample, PortalError> {
    let start = now.checked_sub(TURN * i32::try_from(TURNS).unwrap_or(0)).unwrap_or(now);
    let time = Time(Arc::new(AtomicI64::new(start.as_second())));
    let vendor = Vendor { product: PRODUCT.to_owned(), issuer: "Example Vendor".to_owned() };
    Portal::init(directory, &vendor, &time)?;
    let options = Options { actor: format!("operator {OPERATOR}"), writer: WriterKind::Inline };
    let portal = Portal::open(directory, options, Arc::new(time.clone()))?;
    let password = ActivationCode::random()?.expose()[..19].to_owned();
    portal.add_operator(OPERATOR, &Password::chosen(&password)?, Role::Admin)?;
    portal.set_trial_terms(Some(customers::trial()))?;
    let mut history = History { portal, time, roots: roots(directory)?, seed, sold: Vec::new() };
    let customers = customers::all(seed, start, now);
    for turn in 0..TURNS {
        history.time.is_at_least(start + TURN * i32::try_from(turn).unwrap_or(0));
        history.turn(turn, &customers)?;
    }
    history.end(now)?;
    let codes = history.sold.iter().filter_map(|sold| {
        let why = sold.customer.fate.worth_a_look()?;
        let line = format!("{}: {why}", sold.customer.name);
        Some((line, sold.subscription.activation_code.clone()))
    });
    Ok(Sample { operator: OPERATOR, password, codes: codes.take(3).collect() })
}

fn roots(directory: &Path) -> Result<Roots, PortalError> {
    let path = super::Directory::new(directory).roots();
    let mut roots = Roots::none();
    let read = roots.add_key_set(&super::directory::read_file(&path)?);
    read.map_err(|source| PortalError::Document { path, source })?;
    Ok(roots)
}

/// The time of the history, which goes on with everything that happens.
#[derive(Clone)]
struct Time(Arc<AtomicI64>);

impl Clock for Time {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap_or_default()
    }
}

impl Time {
    fn is_at_least(&self, time: Timestamp) {
        self.0.fetch_max(time.as_second(), Ordering::Relaxed);
    }

    fn passes(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

/// A customer that has bought.
struct Sold<'a> {
    customer: &'a Customer,
    subscription: Subscription,
    machines: Vec<Machine>,
}

struct History<'a> {
    portal: Portal,
    time: Time,
    roots: Roots,
    seed: u64,
    sold: Vec<Sold<'a>>,
}

impl<'a> History<'a> {
    /// A month: who buys, buys, and every machine that is heard of asks.
    fn turn(&mut self, turn: u32, customers: &'a [Customer]) -> Result<(), PortalError> {
        for customer in customers.iter().filter(|customer| customer.buys_in == turn) {
            self.time.passes(2_400);
            let terms = customer.terms.clone();
            let subscription = self.portal.create_subscription(&customer.name, terms)?;
            let machines = customer.environments.iter().enumerate();
            let mut machines: Vec<_> = machines
                .map(|(n, (name, purpose))| self.machine(customer, n, name, *purpose))
                .collect();
            for machine in &mut machines {
                self.time.passes(900);
                let request = machine.activation(&subscription.activation_code, self.portal.now());
                machine.ask(&self.portal, &self.roots, &request);
            }
            self.sold.push(Sold { customer, subscription, machines });
        }
        for at in 0..self.sold.len() {
            self.time.passes(60);
            self.month_of(at, turn)?;
        }
        Ok(())
    }

    fn machine(&self, customer: &Customer, n: usize, name: &str, purpose: Purpose) -> Machine {
        let told = format!("{} {} {n}", self.seed, customer.name);
        let key = KeyPair::from_seed(&Sha256::digest(format!("sample key {told}")).into());
        Machine::new(key, &told, name, purpose)
    }

    fn month_of(&mut self, at: usize, turn: u32) -> Result<(), PortalError> {
        let Self { portal, time, roots, sold, .. } = self;
        let sold = &mut sold[at];
        if sold.customer.fate == Fate::Grows && turn == TURNS / 2 {
            let renewed = portal.update_subscription(sold.subscription.id, |terms| {
                "enterprise".clone_into(&mut terms.edition);
                if let Some(users) = terms.limits.get_mut("users") {
                    users.limit = users.limit.map(|users| users + 250);
                }
            })?;
            sold.subscription = renewed;
        }
        if sold.customer.fate == Fate::Renewed && turn + 3 == TURNS {
            let a_year_later = sold.customer.terms.ends_at + SignedDuration::from_hours(24 * 365);
            sold.subscription = portal.renew_subscription(sold.subscription.id, a_year_later)?;
        }
        // A quarter of them is heard of in a month; a fork is two that both are.
        let is_heard = (at + usize::try_from(turn).unwrap_or(0)).is_multiple_of(4);
        if !is_heard && turn + 1 != TURNS {
            return Ok(());
        }
        for machine in &mut sold.machines {
            time.passes(30);
            let mut request = machine.request(RequestKind::Refresh, portal.now());
            // A third of the customers would rather not tell.
            if !at.is_multiple_of(3) {
                request.usage = Some(machine.uses(&sold.subscription.terms, portal.now()));
            }
            machine.ask(portal, roots, &request);
        }
        Ok(())
    }

    /// What stands open today.
    fn end(&mut self, now: Timestamp) -> Result<(), PortalError> {
        let Self { portal, time, roots, sold, .. } = self;
        time.is_at_least(now - SignedDuration::from_hours(30));
        for sold in sold {
            time.passes(120);
            let id = sold.subscription.id;
            let machine = sold.machines.first_mut();
            match (sold.customer.fate, machine) {
                (Fate::Suspended, _) => drop(portal.suspend_subscription(id)?),
                (Fate::Revoked, _) => drop(portal.revoke_subscription(id, "unpaid since spring")?),
                (Fate::Forked, Some(machine)) => {
                    let mut copy = machine.copy();
                    for _ in 0..2 {
                        for each in [&mut *machine, &mut copy] {
                            time.passes(60);
                            let request = each.request(RequestKind::Refresh, portal.now());
                            each.ask(portal, roots, &request);
                        }
                    }
                }
                (Fate::RebindWaits, Some(machine)) => {
                    let mut anew = machine.installed_anew(KeyPair::generate()?);
                    let request = anew.rebind(&sold.subscription.activation_code, portal.now());
                    anew.ask(portal, roots, &request);
                }
                (Fate::ReleaseWaits, Some(machine)) => {
                    let Some(environment) = machine.environment() else { continue };
                    let customer = portal.acting_as(&format!("customer {id} via 192.0.2.17"));
                    customer
                        .ask_release(environment, "the server is scrapped, another one comes")?;
                }
                (Fate::Released, Some(machine)) => {
                    let request = machine.request(RequestKind::Release, portal.now());
                    machine.ask(portal, roots, &request);
                }
                _ => {}
            }
        }
        time.is_at_least(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
