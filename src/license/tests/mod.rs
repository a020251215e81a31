//! What is read, what is refused and by which error, by behaviour.

mod answer;
mod consent;
mod errors;
mod form;
mod header;
mod hostile;
mod install;
mod interop;
mod keys;
mod license;
mod offer;
mod rebind_code;
mod request;
mod samples;
mod trust;
mod usage_report;
mod vectors;
