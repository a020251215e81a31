//! Properties of the vote, over machines with any facts.

use super::captured::{secret, start};
use crate::identity::{
    Enrolled, Fact, Group, Judgement, MachineKind, Reading, Source, Survey, Verdict, judge,
    mint_override, recognise,
};
use proptest::{collection::vec, prelude::*, sample::subsequence};

const SOURCES: [Source; 9] = [
    Source::CloudInstanceId,
    Source::SmbiosUuid,
    Source::TpmEndorsementKey,
    Source::SystemSerial,
    Source::BoardSerial,
    Source::PermanentMac,
    Source::DiskWwid,
    Source::DiskSerial,
    Source::Processor,
];

fn kind() -> impl Strategy<Value = MachineKind> {
    let guest = MachineKind::VirtualMachine { hypervisor: "kvm".to_owned() };
    prop_oneof![Just(MachineKind::BareMetal), Just(guest)]
}

/// Few values, so that two machines often agree in some facts.
fn fact() -> impl Strategy<Value = Fact> {
    let source = prop::sample::select(&SOURCES[..]);
    (source, 0..6u8).prop_map(|(source, value)| match value {
        0 => Fact::new(source, "gone", Reading::Absent),
        1 => Fact::new(source, "hidden", Reading::unreadable("hidden")),
        value => Fact::of(source, format!("{value}")),
    })
}

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    vec(fact(), 0..12)
}

fn survey(kind: &MachineKind, facts: &[Fact]) -> Survey {
    Survey::new(kind.clone(), None, facts.to_vec())
}

/// Enrolled under any number: what is judged are the facts.
fn enroll(survey: &Survey) -> Enrolled {
    Enrolled {
        overridden: false,
        ..Enrolled::enroll(&mint_override("4711").unwrap(), survey, &secret(), start())
    }
}

fn judged(enrolled: &Enrolled, survey: &Survey) -> Judgement {
    judge(enrolled, survey, &secret(), start())
}

fn is_kept(judgement: &Judgement) -> bool {
    matches!(judgement.verdict, Verdict::Unchanged | Verdict::Drifted)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_order_of_facts_changes_nothing(
        kind in kind(), before in facts(), (after, shuffled) in facts().prop_flat_map(|f| (Just(f.clone()), Just(f).prop_shuffle()))
    ) {
        let enrolled = enroll(&survey(&kind, &before));
        let (one, other) = (survey(&kind, &after), survey(&kind, &shuffled));
        let (a, b) = (judged(&enrolled, &one), judged(&enrolled, &other));
        prop_assert_eq!((a.verdict, a.reason, a.score), (b.verdict, b.reason, b.score));
        prop_assert_eq!(a.reenrolled, b.reenrolled);
        prop_assert_eq!(one.mint().ok(), other.mint().ok());
        prop_assert_eq!(enroll(&one).facts, enroll(&other).facts);
    }

    #[test]
    fn what_cannot_be_read_never_makes_another_machine(
        kind in kind(), before in facts(), after in facts(), hidden in subsequence((0..12).collect::<Vec<usize>>(), 0..12)
    ) {
        let enrolled = enroll(&survey(&kind, &before));
        let open = judged(&enrolled, &survey(&kind, &after));
        let mut facts = after;
        for (i, fact) in facts.iter_mut().enumerate() {
            if hidden.contains(&i) {
                fact.reading = Reading::unreadable("hidden");
            }
        }
        let covered = judged(&enrolled, &survey(&kind, &facts));
        if open.verdict != Verdict::DifferentMachine {
            prop_assert_ne!(covered.verdict, Verdict::DifferentMachine);
        }
    }

    #[test]
    fn a_fact_more_that_cannot_be_read_never_makes_another_machine(
        kind in kind(), before in facts(), after in facts(), source in prop::sample::select(&SOURCES[..])
    ) {
        let enrolled = enroll(&survey(&kind, &before));
        let without = judged(&enrolled, &survey(&kind, &after));
        let mut facts = after;
        facts.push(Fact::new(source, "hidden", Reading::unreadable("hidden")));
        let with = judged(&enrolled, &survey(&kind, &facts));
        if without.verdict != Verdict::DifferentMachine {
            prop_assert_ne!(with.verdict, Verdict::DifferentMachine);
        }
    }

    #[test]
    fn a_placeholder_says_as_little_as_nothing(
        kind in kind(), before in facts(), after in facts(), said in vec(prop::sample::select(&SOURCES[..]), 1..9)
    ) {
        let beside = |facts: &[Fact]| {
            let placeholder = Reading::Placeholder { rule: "a text that many machines share" };
            let facts = facts.iter().cloned();
            let more = said.iter().map(|source| Fact::new(*source, "said", placeholder.clone()));
            Survey::new(kind.clone(), None, facts.chain(more))
        };
        let (plain, with) = (survey(&kind, &before), beside(&before));
        prop_assert_eq!(&enroll(&plain).facts, &enroll(&with).facts);
        prop_assert_eq!(plain.candidates(), with.candidates());
        let (one, other) = (judged(&enroll(&plain), &survey(&kind, &after)), judged(&enroll(&with), &beside(&after)));
        prop_assert_eq!((one.verdict, one.reason, one.score), (other.verdict, other.reason, other.score));
        prop_assert_eq!(one.reenrolled, other.reenrolled);
    }

    /// A machine may drift for ever, and each step of it is a full vote: counted here by hand, not by the code under test.
    #[test]
    fn no_chain_of_enrolments_has_a_step_below_sixty_per_cent(kind in kind(), looks in vec(facts(), 2..8)) {
        let mut enrolled = enroll(&survey(&kind, &looks[0]));
        for facts in &looks[1..] {
            let judgement = judged(&enrolled, &survey(&kind, facts));
            let now = survey(&kind, facts).digested(&secret()).facts;
            let Some(again) = judgement.reenrolled.clone().filter(|_| is_kept(&judgement)) else { continue };
            let (mut agreeing, mut readable) = (0, 0);
            for group in Group::ALL {
                let of_group = || enrolled.facts.iter().filter(move |f| f.group == group && f.weight > 0);
                let Some(weight) = of_group().map(|f| u32::from(f.weight)).max() else { continue };
                let hidden = facts.iter().any(|f| f.group() == group && matches!(f.reading, Reading::Unreadable { .. }));
                let found = of_group().any(|f| {
                    now.iter().any(|now| now.digest == Some(f.digest) && now.source == f.source)
                });
                readable += if hidden && !found { 0 } else { weight };
                agreeing += if found { weight } else { 0 };
            }
            prop_assert!(agreeing * 100 >= readable * 60, "{agreeing} of {readable}");
            enrolled = again;
        }
    }

    #[test]
    fn nothing_readable_is_degraded(kind in kind(), before in facts()) {
        let enrolled = enroll(&survey(&kind, &before));
        let hidden = SOURCES.map(|source| Fact::new(source, "hidden", Reading::unreadable("hidden")));
        prop_assert_eq!(judged(&enrolled, &survey(&kind, &hidden)).verdict, Verdict::Degraded);
    }

    #[test]
    fn one_more_fact_that_agrees_never_lowers_the_score(
        kind in kind(), before in facts(), after in facts(), which in any::<prop::sample::Index>()
    ) {
        prop_assume!(!before.is_empty());
        let enrolled = enroll(&survey(&kind, &before));
        let agreeing = which.get(&before).clone();
        prop_assume!(agreeing.value().is_some());
        // An instance id decides for its group alone: against it, a UUID that agrees counts for nothing.
        let mut facts = after;
        facts.retain(|fact| fact.source != Source::CloudInstanceId);
        let without = judged(&enrolled, &survey(&kind, &facts));
        facts.push(agreeing);
        let with = judged(&enrolled, &survey(&kind, &facts));
        prop_assert!(with.score >= without.score, "{} after {}", with.score, without.score);
    }

    #[test]
    fn enrolling_anew_keeps_the_number_and_settles(kind in kind(), before in facts(), after in facts()) {
        let enrolled = enroll(&survey(&kind, &before));
        let after = survey(&kind, &after);
        let judgement = judged(&enrolled, &after);
        if let Some(again) = judgement.reenrolled.clone() {
            prop_assert!(is_kept(&judgement));
            prop_assert_eq!(again.serial_number, enrolled.serial_number);
            prop_assert_eq!(again.enrolled_at, enrolled.enrolled_at);
            prop_assert_eq!(judged(&again, &after).reenrolled, None);
            prop_assert!(is_kept(&judged(&again, &after)) || judged(&again, &after).verdict == Verdict::Degraded);
        }
    }

    #[test]
    fn a_machine_is_itself(kind in kind(), facts in facts()) {
        let survey = survey(&kind, &facts);
        let enrolled = enroll(&survey);
        prop_assume!(enrolled.facts.iter().any(|fact| fact.weight > 0));
        let judgement = judged(&enrolled, &survey);
        prop_assert_eq!((judgement.verdict, judgement.score), (Verdict::Unchanged, 100));
    }

    #[test]
    fn a_machine_that_shares_nothing_is_another(kind in kind(), facts in facts()) {
        let enrolled = enroll(&survey(&kind, &facts));
        prop_assume!(enrolled.facts.iter().any(|fact| fact.weight > 0));
        let stranger: Vec<_> = SOURCES.iter().map(|source| Fact::of(*source, "stranger")).collect();
        let judgement = judged(&enrolled, &survey(&kind, &stranger));
        prop_assert_eq!((judgement.verdict, judgement.score), (Verdict::DifferentMachine, 0));
    }

    #[test]
    fn the_portal_and_the_agent_agree(kind in kind(), before in facts(), after in facts()) {
        let code = crate::codes::ActivationCode::from_content(&[7; 16]);
        let (before, after) = (survey(&kind, &before), survey(&kind, &after));
        let known = before.portal_facts(&code);
        let recognition = recognise(&known, &after.portal_facts(&code), kind.is_virtual());
        if recognition.same_machine {
            prop_assert_ne!(judged(&enroll(&before), &after).reason, crate::identity::Reason::OtherSystemId);
        }
        let itself = recognise(&known, &known, kind.is_virtual());
        prop_assert_eq!(itself.same_machine, !known.is_empty());
    }
}
