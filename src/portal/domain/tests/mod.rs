//! The decisions as tables, and the chain against every order of requests.

mod chain;
mod decision;
mod evidence;
mod place;
mod samples;
mod succession;
mod terms;
