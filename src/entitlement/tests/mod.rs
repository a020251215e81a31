//! The verdict at every boundary, and the time by which it is given, by behaviour.

mod boundaries;
mod conditions;
mod limits;
mod next_change;
mod precedence;
mod sample;
mod time;
