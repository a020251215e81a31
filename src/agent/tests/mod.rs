//! The loop, by what happens to it.
//!
//! Bad input, and where it is tried. Each test looks at the stored state, the chain and the audit: of a refused document the
//! audit has one entry, `document-refused`, of an answer one for each request; nothing else changes. `behaviour` is
//! `tests/behaviour/hostile`, with real processes and sockets.
//!
//! | input | by file | on-line |
//! | --- | --- | --- |
//! | wrong: another type | `installing::every_damaged_file…`, `behaviour::documents` | `answers::another_document_in_the_place_of_an_answer`, `behaviour::portal::another_answer…` |
//! | tampered | `installing::every_damaged_file…`, `behaviour::documents` | `answers::an_answer_that_was_changed_on_its_way` |
//! | truncated, over 1 MiB | the same | `answers::an_answer_that_came_through_in_part_or_with_more`, `behaviour::portal` |
//! | expired | `installing::every_wrong_license…`, `behaviour::documents` | `answers::a_license_that_does_not_fit`, `behaviour::portal::a_license_that_does_not_fit…` |
//! | other audience, Serial Number, key, environment | the same | the same, `answers::an_answer_for_another_product` |
//! | older or reused sequence | the same | `answers::a_license_that_is_older_than_the_held_one`, `behaviour::portal::a_license_that_does_not_fit…` |
//! | signed by nobody known | the same | `answers::an_answer_signed_by_nobody_known`, `behaviour::portal::another_answer…` |
//! | older, forged or reused trust document | `installing::a_trust_document_is_never_taken_back` | `license::tests::trust` |
//! | answer to another request, or taken before | `installing::an_answer_that_was_overtaken…` | `answers::an_answer_to_another_request`, `behaviour::portal::another_answer…` |
//!
//! | portal | in process | with the real agent |
//! | --- | --- | --- |
//! | garbage | `answers::garbage`, `upstream::tests::http::who_is_no_portal…` | `behaviour::portal::who_answers_garbage…` |
//! | hangs, drips | `upstream::tests::http::who_says_nothing…`, `…who_drips…` | `behaviour::portal::a_portal_that_hangs_or_drips…` |
//! | redirects, sends 10 GiB | `upstream::tests::http::a_redirection…`, `…who_sends_without_end…` | `behaviour::portal::a_redirection_is_not_followed…` |
//! | answers for another request or Serial Number | `answers` | `behaviour::portal::another_answer…` |
//!
//! | socket client | test |
//! | --- | --- |
//! | garbage | `behaviour::garbage_is_answered…`, `behaviour::floods::garbage_is_stored_nowhere`, `front` |
//! | half a request | `behaviour::half_a_request…`, `behaviour::a_stop_waits_for_no_half_request`, `behaviour::floods::garbage…` |
//! | 10 MiB | `behaviour::floods::ten_mebibytes…`, `behaviour::a_large_body…`, `behaviour::a_bomb_of_headers…` |
//! | 5,000 connections | `behaviour::floods::five_thousand_connections…` |
//! | never reads | `behaviour::floods::who_never_reads…`, `behaviour::watchers_that_never_read…` |
//!
//! | at random | test |
//! | --- | --- |
//! | bytes and damaged documents into every reader | `license::tests::hostile` |
//! | bytes and requests into the sockets | `front`, held against hyper |
//! | bytes, damaged and soundly signed nonsense into the portal | `portal::tests::hostile`, `behaviour::requests` |
//! | a life of accidents | `simulation` |

mod activation;
mod answers;
mod calendar;
mod certificates;
mod clocks;
mod front;
mod handing_over;
mod hardware;
mod idling;
mod installing;
mod membership;
mod moving;
mod overriding;
mod pending;
mod peril;
mod portal_lost;
mod portal_restored;
mod props;
mod recovery;
mod relocation;
mod revocation;
mod simulation;
mod stage;
mod starting;
mod storing;
mod succession;
mod told_usage;
mod uplink;
mod usage;
